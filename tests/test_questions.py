"""Which cases a person means with some paths, and where each answer goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from verisim import files
from verisim.errors import BadInput, StorageFailed, WrongChannels
from verisim.questions import Wish, check_place, plan_questions
from verisim.volume import Volume


@pytest.fixture
def folder(tmp_path: Path, a_volume: Volume) -> Path:
    """Three cases."""
    made = tmp_path / "images"
    made.mkdir()
    for name in ("a", "b", "c"):
        files.write(made / f"{name}.nii.gz", a_volume)
    return made


def planned(folder: Path, output: Path, channels: int = 1) -> dict[str, list[str]]:
    """Names of the images of each case."""
    questions = plan_questions([folder], Wish(output), channels)
    return {q.case: [image.name for image in q.images] for q in questions}


def test_each_image_of_a_folder_is_a_case(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.nii.gz").write_text("not an image either")
    assert planned(folder, tmp_path / "out") == {
        "a": ["a.nii.gz"],
        "b": ["b.nii.gz"],
        "c": ["c.nii.gz"],
    }


@pytest.mark.parametrize("channels", [1, 2])
def test_numbered_images_are_the_channels_of_a_case(tmp_path: Path, channels: int) -> None:
    for case in ("p_1", "p_2"):
        for channel in range(channels):
            (tmp_path / f"{case}_{channel:04d}.nii.gz").touch()
    expected = {
        case: [f"{case}_{channel:04d}.nii.gz" for channel in range(channels)]
        for case in ("p_1", "p_2")
    }
    assert planned(tmp_path, tmp_path / "out", channels) == expected


def test_numbers_that_count_cases_are_no_channels(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"case_{number:04d}.nii.gz").touch()
    assert set(planned(tmp_path, tmp_path / "out")) == {"case_0001", "case_0002", "case_0003"}


def test_a_dicom_folder_keeps_the_dots_of_its_name(tmp_path: Path) -> None:
    series = tmp_path / "1.2.840.10008"
    series.mkdir()
    (series / "IM1").touch()
    (question,) = plan_questions([series], Wish(tmp_path), 1)
    assert question.case == "1.2.840.10008"
    assert question.output == tmp_path / "1.2.840.10008.nii.gz"


def test_one_file_for_each_channel_makes_one_case(folder: Path, tmp_path: Path) -> None:
    images = [folder / "a.nii.gz", folder / "c.nii.gz"]
    (question,) = plan_questions(images, Wish(tmp_path / "x.nrrd"), 2)
    assert question.images == tuple(images)
    assert question.volume().channels == 2
    with pytest.raises(WrongChannels, match="2 files are the channels"):
        plan_questions(images, Wish(tmp_path / "x.nrrd"), 1)


def test_a_link_to_the_input_is_the_input(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.nii.gz"
    link.symlink_to(folder / "a.nii.gz")
    with pytest.raises(BadInput, match="would replace an input"):
        plan_questions([folder / "a.nii.gz"], Wish(link), 1)


def test_a_picture_is_a_png(folder: Path, tmp_path: Path) -> None:
    wish = Wish(tmp_path / "x.nrrd", picture=tmp_path / "x.jpg")
    with pytest.raises(BadInput, match=r"x\.jpg has no known format"):
        plan_questions([folder / "a.nii.gz"], wish, 1)


def maps_of(folder: Path, wish: Wish) -> dict[str, list[str]]:
    """Where the maps of each case go, below the folder."""
    with_labels = replace(wish, labels=("anterior", "posterior"))
    questions = plan_questions([folder], with_labels, 1)
    return {
        q.case: [str(p.relative_to(wish.output.parent)) for p in q.maps.paths] for q in questions
    }


@pytest.mark.parametrize(
    ("suffix", "expected"), [(".nii.gz", ".nii.gz"), (".seg.nrrd", ".nrrd"), (".nii", ".nii")]
)
def test_maps_of_several_cases_go_into_folders(
    folder: Path, tmp_path: Path, suffix: str, expected: str
) -> None:
    out = tmp_path / "out"
    wish = Wish(out, suffix, probability=tmp_path / "p", uncertainty=tmp_path / "u")
    assert maps_of(folder, wish) == {
        case: [
            f"p/{case}-anterior{expected}",
            f"p/{case}-posterior{expected}",
            f"u/{case}{expected}",
        ]
        for case in ("a", "b", "c")
    }


def test_maps_of_one_case_go_into_files_or_into_a_folder_that_exists(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "maps").mkdir()
    wish = Wish(tmp_path / "x.nrrd", probability=tmp_path / "p.nii", uncertainty=tmp_path / "maps")
    assert maps_of(folder / "a.nii.gz", wish) == {
        "a": ["p-anterior.nii", "p-posterior.nii", "maps/a.nii.gz"]
    }


@pytest.mark.parametrize("kind", ["probability", "uncertainty"])
@pytest.mark.parametrize("name", ["p.seg.nrrd", "p.dcm", "p.png", "p"])
def test_a_map_has_a_format_that_holds_it(
    folder: Path, tmp_path: Path, kind: str, name: str
) -> None:
    wish = replace(Wish(tmp_path / "x.nrrd"), **{kind: tmp_path / name})
    with pytest.raises(BadInput, match=r"has no format that holds intensities"):
        maps_of(folder / "a.nii.gz", wish)


@pytest.mark.parametrize("kind", ["probability", "uncertainty"])
def test_maps_of_several_cases_are_not_one_file(folder: Path, tmp_path: Path, kind: str) -> None:
    wish = replace(Wish(tmp_path / "out"), **{kind: tmp_path / "p.nii.gz"})
    with pytest.raises(BadInput, match="is the name of a file"):
        maps_of(folder, wish)


def test_no_result_replaces_another_or_an_input(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"Two results would be written to .*a\.nii\.gz"):
        maps_of(folder, Wish(tmp_path / "out", uncertainty=tmp_path / "out"))
    with pytest.raises(BadInput, match="would replace an input"):
        maps_of(folder, Wish(tmp_path / "out", uncertainty=folder))
    files.write(folder / "a-anterior.nii.gz", files.read(folder / "a.nii.gz"))
    with pytest.raises(BadInput, match="would replace an input"):
        maps_of(folder, Wish(tmp_path / "out", probability=folder))


def test_maps_that_would_have_one_name_are_refused(tmp_path: Path, a_volume: Volume) -> None:
    for case in ("liver", "liver-left"):
        files.write(tmp_path / f"{case}.nii", a_volume)
    wish = Wish(tmp_path / "out", probability=tmp_path / "p", labels=("left-lobe", "lobe"))
    with pytest.raises(BadInput, match=r"Two results would be written to .*liver-left-lobe"):
        plan_questions([tmp_path], wish, 1)


def test_a_place_is_checked_without_touching_it(tmp_path: Path) -> None:
    check_place(tmp_path / "new" / "folder" / "label.nii.gz")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file" / "x.nii", tmp_path / "file" / "deep" / "x.nii", tmp_path):
        with pytest.raises(StorageFailed, match="cannot be written"):
            check_place(bad)


def test_a_folder_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(StorageFailed, match="may not be written to"):
        check_place(tmp_path / "label.nii.gz")

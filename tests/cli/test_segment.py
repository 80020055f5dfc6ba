"""`verisim segment`: a person's files in, label maps on the same voxels out."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from tests.cli.conftest import (
    LABELS,
    Command,
    an_image,
    in_a_process,
    listing,
)
from tests.samples import IMAGE, SLICES
from verisim import files

TINY = ("--model", "tiny", "--models")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".seg.nrrd"])
def test_the_label_map_lies_on_the_voxels_of_the_input(
    verisim: Command, models: Path, a_case: Path, output: Path, suffix: str
) -> None:
    answer = output / f"label{suffix}"
    run = verisim("segment", a_case, "-o", answer, *TINY, models)
    assert run.code == 0
    volume, label_map = files.read(a_case), files.read_label_map(answer, LABELS)
    assert label_map.shares_grid(volume)
    assert set(listing(output)) == {answer.name}


def test_json_is_one_object_with_millilitres_and_seconds_of_what_was_written(
    models: Path, a_case: Path, output: Path
) -> None:
    answer = output / "label.nii.gz"
    run = in_a_process("segment", a_case, "-o", answer, *TINY, models, "--json")
    assert run.code == 0
    assert run.err == ""
    (case,) = run.facts["cases"]
    written = files.read_label_map(answer, LABELS)
    assert case["volumes_ml"] == pytest.approx(written.volumes_ml, abs=1e-4)
    assert sum(case["volumes_ml"].values()) > 0
    assert case["output"] == str(answer)
    assert case["error"] is None
    assert 0 < sum(case["stages"].values()) <= case["seconds"] * 1.01 + 1e-3
    assert {"reading", "network", "writing"} <= case["stages"].keys()


def test_a_person_reads_volumes_seconds_and_the_unbroken_path_in_80_columns(
    verisim: Command, models: Path, a_case: Path, tmp_path: Path
) -> None:
    answer = tmp_path / ("a-folder-with-a-rather-long-name-" * 3) / "label.nii.gz"
    run = verisim("segment", a_case, "-o", answer, *TINY, models)
    *table, line = run.out.splitlines()
    assert max(len(row) for row in table) <= 80
    assert str(answer) in line
    assert " s, certainty 0." in line
    assert "anterior" in run.out


def test_a_dicom_folder_gives_a_segmentation_that_refers_to_its_series(
    verisim: Command, models: Path, output: Path, scanned: Path
) -> None:
    answer = output / "seg.dcm"
    run = verisim("segment", scanned, "-o", answer, *TINY, models, "--json")
    assert run.code == 0
    segmentation = pydicom.dcmread(answer)
    image = pydicom.dcmread(next(scanned.glob("*.dcm")))
    assert segmentation.Modality == "SEG"
    assert segmentation.StudyInstanceUID == image.StudyInstanceUID
    assert files.read_label_map(answer).shares_grid(files.read(scanned))


def test_a_folder_with_several_series_asks_which_one(
    verisim: Command, models: Path, output: Path, tmp_path: Path, scanned: Path
) -> None:
    folder, uids = two_series(scanned, tmp_path / "study")
    asked = verisim("segment", folder, "-o", output / "label.nrrd", *TINY, models, "--json")
    assert asked.code == 2
    assert asked.facts["error"]["code"] == "several_series"
    assert all(uid in asked.facts["error"]["message"] for uid in uids)
    assert "--series" in asked.facts["error"]["remedy"]
    assert listing(output) == {}


@pytest.mark.parametrize("name", ["label.nrrd", "label.dcm"])
def test_the_chosen_series_is_segmented(
    verisim: Command, models: Path, output: Path, tmp_path: Path, scanned: Path, name: str
) -> None:
    folder, uids = two_series(scanned, tmp_path / "study")
    for uid in uids:
        run = verisim("segment", folder, "-o", output / name, *TINY, models, "--series", uid)
        assert run.code == 0
        label_map = files.read_label_map(output / name)
        assert label_map.shares_grid(files.read(folder, uid))


def two_series(series: Path, folder: Path) -> tuple[Path, list[str]]:
    """A series' lower slices, and all of them, as two series of one folder."""
    folder.mkdir()
    uids = []
    for k, count in enumerate((20, SLICES)):
        uid = pydicom.uid.generate_uid()
        uids.append(uid)
        for path in sorted(series.glob("*.dcm"))[:count]:
            image = pydicom.dcmread(path)
            image.SeriesInstanceUID = uid
            image.SOPInstanceUID = pydicom.uid.generate_uid()
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
            image.save_as(folder / f"{k}-{path.name}")
    return folder, uids


@pytest.fixture
def three_cases(tmp_path: Path) -> Path:
    """A folder of cases, the second of them cut off."""
    folder = tmp_path / "cases"
    folder.mkdir()
    for k in (1, 2, 3):
        files.write(folder / f"case_{k}.nii.gz", an_image(k))
    broken = folder / "case_2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-400])
    return folder


def test_a_broken_case_is_reported_and_the_others_are_done(
    models: Path, three_cases: Path, output: Path
) -> None:
    run = in_a_process("segment", three_cases, "-o", output, *TINY, models, "--json")
    assert run.code == 2
    assert set(listing(output)) == {"case_1.nii.gz", "case_3.nii.gz"}
    first, broken, last = run.facts["cases"]
    assert broken["error"]["code"] == "unreadable_file"
    assert broken["output"] is None
    assert "case_2" in broken["error"]["message"]
    assert first["error"] is last["error"] is None
    assert "case_2" in run.err


def test_a_person_sees_the_broken_case_among_the_others(
    verisim: Command, models: Path, three_cases: Path, output: Path
) -> None:
    run = verisim("segment", three_cases, "-o", output, *TINY, models)
    assert run.code == 2
    assert "case_2: no label map (unreadable_file)" in run.out
    assert f"case_3: wrote {output / 'case_3.nii.gz'}" in run.out


def test_existing_label_maps_are_kept_when_asked(
    verisim: Command, models: Path, three_cases: Path, output: Path
) -> None:
    (output / "case_1.nii.gz").write_bytes(b"drawn by hand")
    run = verisim("segment", three_cases, "-o", output, *TINY, models, "--skip-existing", "--json")
    assert (output / "case_1.nii.gz").read_bytes() == b"drawn by hand"
    assert run.facts["cases"][0]["warnings"] == ["kept as it was"]
    assert (output / "case_3.nii.gz").is_file()


def test_the_suffix_chooses_the_format_and_pictures_get_a_folder(
    verisim: Command, models: Path, three_cases: Path, tmp_path: Path
) -> None:
    place, pictures = tmp_path / "new" / "labels", tmp_path / "new" / "pictures"
    (three_cases / "case_2.nii.gz").unlink()
    options = ("--suffix", ".seg.nrrd", "--picture", pictures)
    run = verisim("segment", three_cases, "-o", place, *TINY, models, *options)
    assert run.code == 0
    assert set(listing(place)) == {"case_1.seg.nrrd", "case_3.seg.nrrd"}
    assert set(listing(pictures)) == {"case_1.png", "case_3.png"}


def test_a_folder_of_dicom_folders_is_a_folder_of_cases(
    verisim: Command, models: Path, output: Path, scanned: Path
) -> None:
    run = verisim("segment", scanned.parent, "-o", output, *TINY, models, "--suffix", ".dcm")
    assert run.code == 0
    assert set(listing(output)) == {"scanned.dcm"}


def test_an_existing_folder_receives_the_label_map(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    assert verisim("segment", a_case, "-o", output, *TINY, models).code == 0
    assert set(listing(output)) == {"case_1.nii.gz"}


def test_a_picture_is_drawn_when_asked(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    label, picture = output / "label.nii.gz", output / "overlay.png"
    assert verisim("segment", a_case, "-o", label, *TINY, models, "--picture", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_maps_are_written_when_asked_and_the_label_map_is_the_same(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    plain, label = output / "plain.nii.gz", output / "label.nii.gz"
    assert verisim("segment", a_case, "-o", plain, *TINY, models).code == 0
    wish = ("--probability", output / "new" / "p.nrrd", "--uncertainty", output / "u.nii.gz")
    run = verisim("segment", a_case, "-o", label, *TINY, models, *wish, "--json")
    assert run.code == 0
    (case,) = run.facts["cases"]
    named = {name: Path(path) for name, path in case["maps"]["probability"].items()}
    assert {name: path.name for name, path in named.items()} == {
        name: f"p-{name}.nrrd" for name in LABELS
    }
    assert Path(case["maps"]["uncertainty"]) == output / "u.nii.gz"
    label_map = files.read_label_map(label, LABELS)
    assert (label_map.array == files.read_label_map(plain, LABELS).array).all()
    labels = np.stack([files.read(named[name]).array for name in LABELS])
    classes = np.concatenate([1 - labels.sum(axis=0, keepdims=True), labels])
    assert (classes.argmax(axis=0) == label_map.array).mean() > 0.99
    for path in (*named.values(), output / "u.nii.gz"):
        assert files.read(path).shares_grid(files.read(a_case))


def test_maps_of_several_cases_get_a_folder(
    verisim: Command, models: Path, three_cases: Path, output: Path
) -> None:
    (three_cases / "case_2.nii.gz").unlink()
    wish = ("--probability", output / "p", "--uncertainty", output / "u")
    run = verisim("segment", three_cases, "-o", output / "labels", *TINY, models, *wish)
    assert run.code == 0
    assert set(listing(output / "u")) == {"case_1.nii.gz", "case_3.nii.gz"}
    assert set(listing(output / "p")) == {
        f"case_{k}-{name}.nii.gz" for k in (1, 3) for name in LABELS
    }
    assert f"case_3: wrote {output / 'p' / 'case_3-posterior.nii.gz'}" in run.out


@pytest.mark.parametrize("option", ["--probability", "--uncertainty"])
def test_a_map_of_unknown_format_is_refused_before_work_begins(
    verisim: Command, models: Path, a_case: Path, output: Path, option: str
) -> None:
    wish = (option, output / "new" / "map.seg.nrrd")
    run = verisim("segment", a_case, "-o", output / "label.nii.gz", *TINY, models, *wish, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "bad_input"
    assert listing(output) == {}


def test_several_files_are_the_channels_of_one_case(
    verisim: Command, two_channels: Path, a_case: Path, output: Path
) -> None:
    other = a_case.with_name("case_1_t2.nrrd")
    files.write(other, an_image(1))
    label, two = output / "label.nii.gz", ("--model", "two", "--models", two_channels)
    assert verisim("segment", a_case, other, "-o", label, *two).code == 0
    assert files.read_label_map(label).shares_grid(files.read(a_case))


def test_a_header_with_two_places_reaches_the_warnings(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    image = nibabel.load(a_case)
    moved = image.affine.copy()
    moved[0, 3] += 30
    image.set_qform(moved, code=1)
    nibabel.save(image, a_case)
    run = verisim("segment", a_case, "-o", output / "label.nii.gz", *TINY, models, "--json")
    (case,) = run.facts["cases"]
    assert run.code == 0
    assert any("qform and sform" in warning for warning in case["warnings"])
    assert "qform and sform" in run.err


def test_the_sample_volume_is_segmented_by_the_model_that_ships(
    verisim: Command, output: Path
) -> None:
    run = verisim("segment", IMAGE, "-o", output, "--json")
    (case,) = run.facts["cases"]
    assert run.facts["model"].startswith("hippocampus-unet v")
    assert case["volumes_ml"].keys() == LABELS.keys()
    assert min(case["volumes_ml"].values()) > 0.1

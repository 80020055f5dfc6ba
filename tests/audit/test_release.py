"""The gate: what passed leaves with a certificate, and any change of it is seen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.released import PATIENTS, a_report_on, a_set
from verisim import files
from verisim.audit import certificate, manifest
from verisim.audit.release import Released, release
from verisim.audit.verification import verify
from verisim.card import ModelCard
from verisim.dataset import open_dataset
from verisim.errors import Conflict, NotFound, StorageFailed, Unreleased
from verisim.files.marks import is_marked

KINDS = ("nifti", "nrrd", "dicom")


@pytest.fixture
def made(tmp_path: Path, a_generator: ModelCard) -> Path:
    return a_set(tmp_path / "made", a_generator)


@pytest.fixture
def audit(made: Path, tmp_path: Path) -> Path:
    """Of four cases, of which the second was flagged."""
    report = a_report_on(made, {1: "quarantine"}, "quarantine")
    report.write(tmp_path / "audit")
    return tmp_path / "audit"


@pytest.fixture
def out(audit: Path, made: Path, tmp_path: Path) -> Path:
    return release(audit, made, tmp_path / "out").folder


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "provenance").iterdir())


def test_what_passed_leaves_and_the_rest_stays(audit: Path, made: Path, tmp_path: Path) -> None:
    released = release(audit, made, tmp_path / "out")
    assert len(released.cases) == 3
    assert [name[-5:] for name in released.withheld] == ["00001"]
    assert not any(p for p in (tmp_path / "out").rglob("*00001*"))
    assert len(open_dataset(tmp_path / "out").split("all")) == 3
    assert verify(tmp_path / "out").holds


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_leaves_unchanged_and_marked(
    kind: str, a_generator: ModelCard, tmp_path: Path
) -> None:
    made = a_set(tmp_path / "made", a_generator, 2, kind)  # type: ignore[arg-type]  # parametrized
    a_report_on(made).write(tmp_path / "audit")
    released = release(tmp_path / "audit", made, tmp_path / "out")
    assert verify(tmp_path / "out").cases == released.cases
    for image in (made / "imagesTr").iterdir():
        copy = tmp_path / "out" / "imagesTr" / image.name
        assert is_marked(copy)
        assert (files.read(copy).array == files.read(image).array).all()


def test_a_certificate_tells_of_case_and_audit(out: Path, audit: Path) -> None:
    (path, *_) = sorted((out / "certificates").iterdir())
    found = certificate.parsed(path.read_bytes())
    assert {file.path.split("/")[0] for file in found.files} == {
        *("imagesTr", "labelsTr", "provenance")
    }
    assert found.own_report_sha256 == certificate.sha256_of(audit / "report.json")
    assert found.report_sha256 == certificate.sha256_of(out / "audit.json")
    assert (found.level, found.threshold, found.training_sha256) == (0.05, 3.7, "a" * 64)
    assert found.covers(out / found.files[0].path)


def test_no_name_of_a_real_case_leaves(out: Path) -> None:
    for path in out.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(name.encode() in content for name in (*PATIENTS, "Roe_Jane")), path


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_any_changed_byte_of_any_file_is_seen(out: Path) -> None:
    for path in [one for one in out.rglob("*") if one.is_file()]:
        before = path.read_bytes()
        flipped(path)
        assert not verify(out).holds, path
        path.write_bytes(before)
    assert verify(out).holds


def test_anything_missing_or_added_is_seen(out: Path) -> None:
    for path in [one for one in out.rglob("*") if one.is_file()]:
        before = path.read_bytes()
        path.unlink()
        assert not verify(out).holds, path
        path.write_bytes(before)
    (image, *_) = sorted((out / "imagesTr").iterdir())
    shutil.copy(image, out / "imagesTr" / "another_0000.nii.gz")
    (flaw,) = verify(out).flaws
    assert flaw.file == "imagesTr/another_0000.nii.gz"


def resealed(out: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change a certificate and seal it and the manifest again, as a careful hand would."""
    (path, *_) = sorted((out / "certificates").iterdir())
    told = json.loads(path.read_text())
    change(told)
    forged = certificate.ADAPTER.validate_python(told).sealed()
    path.write_text(forged.json())
    from_disk = json.loads((out / "release.json").read_text())
    for file in from_disk["files"]:
        file["sha256"] = certificate.sha256_of(out / file["path"])
    sealed = manifest.ADAPTER.validate_python(from_disk).sealed()
    (out / "release.json").write_text(sealed.json())


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(score=0.0),
        lambda told: told.update(set_word="pass"),
        lambda told: told.update(statement="All is well."),
        lambda told: told.update(case="another"),
        lambda told: told.update(files=told["files"][:1]),
        lambda told: told["files"].append({"path": "../made/dataset.json", "sha256": "0" * 64}),
    ],
    ids=["score", "word", "statement", "case", "fewer files", "a file outside"],
)
def test_a_certificate_that_the_audit_does_not_give_is_seen_though_it_is_sealed(
    out: Path, change: Callable[[dict[str, object]], object]
) -> None:
    resealed(out, change)
    assert not verify(out).holds


def test_a_certificate_for_a_withheld_case_is_seen(out: Path) -> None:
    text = (out / "audit.json").read_text()
    assert '"quarantine"' in text
    report = json.loads(text)
    withheld = next(case["name"] for case in report["cases"] if case["word"] != "pass")

    def rename(told: dict[str, object]) -> None:
        told.update(case=withheld)

    resealed(out, rename)
    assert not verify(out).holds


def blocked(made: Path, tmp_path: Path) -> Path:
    report = a_report_on(made, {2: "block"}, "block")
    report.write(tmp_path / "blocked")
    return tmp_path / "blocked"


def test_nothing_of_a_blocked_set_leaves_unless_a_person_says_so(
    made: Path, tmp_path: Path
) -> None:
    audit = blocked(made, tmp_path)
    with pytest.raises(Unreleased, match="blocks the whole set"):
        release(audit, made, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    released = release(audit, made, tmp_path / "out", rest=True)
    assert len(released.cases) == 3
    assert verify(released.folder).holds
    (path, *_) = sorted((released.folder / "certificates").iterdir())
    assert certificate.parsed(path.read_bytes()).set_word == "block"


def a_change(made: Path) -> None:
    flipped(sorted((made / "labelsTr").iterdir())[0])


def a_loss(made: Path) -> None:
    name = sorted((made / "labelsTr").iterdir())[0].name.removesuffix(".nii.gz")
    for path in [one for one in made.rglob(f"{name}*") if one.suffix != ".json"]:
        path.unlink()


@pytest.mark.parametrize("change", [a_change, a_loss])
def test_what_is_not_as_it_was_audited_is_refused(
    change: Callable[[Path], None], audit: Path, made: Path, tmp_path: Path
) -> None:
    change(made)
    with pytest.raises(Unreleased):
        release(audit, made, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_set_of_which_nothing_passed_is_refused(made: Path, tmp_path: Path) -> None:
    report = a_report_on(made, dict.fromkeys(range(4), "quarantine"), "quarantine")
    report.write(tmp_path / "audit")
    with pytest.raises(Unreleased, match="None"):
        release(tmp_path / "audit", made, tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(
    audit: Path, made: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(Conflict):
        release(audit, made, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_full_disk_leaves_nothing_behind(
    audit: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Path.write_text
    count = 0

    def full(path: Path, *given: object, **options: object) -> int:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(28, "No space left on device")
        return written(path, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StorageFailed, match="No space left"):
        release(audit, made, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_images_without_the_mark_get_it_and_keep_their_voxels(
    a_generator: ModelCard, tmp_path: Path
) -> None:
    marked = a_set(tmp_path / "marked", a_generator, 2)
    plain = tmp_path / "plain"
    plain.mkdir()
    for k, path in enumerate(sorted((marked / "imagesTr").iterdir())):
        files.write(plain / f"case_{k}.{('nii', 'nrrd')[k]}", files.read(path))
    assert not any(is_marked(path) for path in plain.iterdir())
    a_report_on(plain).write(tmp_path / "audit")
    released: Released = release(tmp_path / "audit", plain, tmp_path / "out")
    assert released.cases == ("case_1", "case_0")
    assert verify(released.folder).holds
    for path in plain.iterdir():
        copy = released.folder / "imagesTr" / path.name
        assert is_marked(copy)
        assert (files.read(copy).array == files.read(path).array).all()
        assert (files.read(copy).affine == files.read(path).affine).all()


def test_a_folder_that_nobody_released_fails(made: Path, tmp_path: Path) -> None:
    assert [flaw.file for flaw in verify(made).flaws] == ["release.json"]
    with pytest.raises(NotFound):
        verify(tmp_path / "nowhere")


def test_a_certificate_that_is_none_is_named() -> None:
    for text in (b"", b"{}", b"[1]", b"\xff", b'{"case": 3}'):
        with pytest.raises(Unreleased, match="certificate is wrong"):
            certificate.parsed(text)


def test_a_changed_certificate_is_named(out: Path) -> None:
    (path, *_) = sorted((out / "certificates").iterdir())
    told = json.loads(path.read_text())
    with pytest.raises(Unreleased, match="seal"):
        certificate.parsed(json.dumps({**told, "score": -1.0}))
    assert replace(certificate.parsed(path.read_bytes()), case="b").is_whole is False

"""`verisim data hippocampus`: the Decathlon's task from an archive or the internet."""

from __future__ import annotations

import io
import socket
import tarfile
from pathlib import Path

import pytest
from monai.apps import DecathlonDataset

from tests.cli.conftest import Command, in_a_process, listing

TASK = "Task04_Hippocampus"


@pytest.fixture
def archive(a_dataset: Path, tmp_path: Path) -> Path:
    """The task as a .tar."""
    path = tmp_path / f"{TASK}.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(a_dataset, TASK)
    return path


def an_archive_of(path: Path, name: str) -> Path:
    """A .tar of one small file of that name."""
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    return path


def test_an_archive_becomes_a_data_set_and_the_licence_is_shown(
    archive: Path, output: Path
) -> None:
    run = in_a_process("data", "hippocampus", output, "--archive", archive, "--json")
    assert run.code == 0
    assert run.facts == {"folder": str(output / TASK), "cases": 4, "licence": "CC0"}
    assert "CC BY-SA 4.0" in run.err
    assert (output / TASK / "imagesTr" / "s1_a.nii.gz").is_file()
    assert {name.split("/")[0] for name in listing(output)} == {TASK}


def test_what_is_there_already_is_not_fetched_again(
    verisim: Command, archive: Path, output: Path
) -> None:
    verisim("data", "hippocampus", output, "--archive", archive)
    before = listing(output)
    run = verisim("data", "hippocampus", output)
    assert run.code == 0
    assert "4 labelled cases in" in run.out
    assert listing(output) == before


def test_a_broken_archive_leaves_nothing(verisim: Command, archive: Path, output: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:9000])
    run = verisim("data", "hippocampus", output, "--archive", archive, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "unreadable_file"
    assert "complete tar file" in run.facts["error"]["message"]
    assert listing(output) == {}


def test_text_is_no_archive(verisim: Command, archive: Path, output: Path) -> None:
    archive.write_text("404 not found")
    run = verisim("data", "hippocampus", output, "--archive", archive, "--json")
    assert run.facts["error"]["code"] == "unreadable_file"
    assert listing(output) == {}


@pytest.mark.parametrize("name", ["../evil.txt", f"{TASK}/../../evil.txt", "/tmp/evil.txt"])
def test_an_archive_never_writes_outside_its_folder(
    verisim: Command, tmp_path: Path, output: Path, name: str
) -> None:
    archive = an_archive_of(tmp_path / "evil.tar", name)
    before = listing(tmp_path)
    run = verisim("data", "hippocampus", output, "--archive", archive, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "unreadable_file"
    assert listing(tmp_path) == before
    assert not Path("/tmp/evil.txt").exists()


def test_another_archive_is_named(verisim: Command, tmp_path: Path, output: Path) -> None:
    archive = an_archive_of(tmp_path / "other.tar", "Task09_Spleen/dataset.json")
    run = verisim("data", "hippocampus", output, "--archive", archive, "--json")
    assert f"holds no folder {TASK}" in run.facts["error"]["message"]
    assert listing(output) == {}


def test_an_archive_that_does_not_exist_is_named(verisim: Command, output: Path) -> None:
    run = verisim("data", "hippocampus", output, "--archive", "nowhere.tar", "--json")
    assert run.facts["error"]["code"] == "not_found"


def test_without_internet_the_remedy_is_an_archive(
    verisim: Command, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but nobody listens: connections are refused
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{TASK}.tar"
        monkeypatch.setitem(DecathlonDataset.resource, TASK, url)
        run = verisim("data", "hippocampus", output, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "unavailable"
    assert url in run.facts["error"]["message"]
    assert "--archive" in run.facts["error"]["remedy"]
    assert listing(output) == {}

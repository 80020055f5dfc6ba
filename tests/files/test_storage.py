"""A file appears whole or not at all."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from verisim import files
from verisim.errors import StorageFailed
from verisim.files.atomic import replacing
from verisim.volume import LabelMap

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".seg.nrrd")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_block_that_ends_well_replaces_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("old")
    with replacing(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name == "a.nii.gz"
        temporary.write_text("new")
        assert (tmp_path / "a.nii.gz").read_text() == "old"
    assert (tmp_path / "a.nii.gz").read_text() == "new"
    assert names_in(tmp_path) == ["a.nii.gz"]


@pytest.mark.parametrize("error", [KeyError("no"), OSError(errno.ENOSPC, "No space left")])
def test_a_block_that_fails_changes_nothing(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "a.nrrd").write_text("old")
    with (  # noqa: PT012 (the error must come out of the block)
        pytest.raises((KeyError, StorageFailed)),
        replacing(tmp_path / "a.nrrd") as temporary,
    ):
        temporary.write_text("half")
        raise error
    assert (tmp_path / "a.nrrd").read_text() == "old"
    assert names_in(tmp_path) == ["a.nrrd"]


def test_a_missing_folder_is_told(tmp_path: Path, a_label_map: LabelMap) -> None:
    with pytest.raises(StorageFailed, match="Create the folder first"):
        files.write(tmp_path / "none" / "s.nii.gz", a_label_map)


FULL_DISK = """
import resource, sys, signal
from pathlib import Path
import numpy as np
from verisim import files
from verisim.errors import StorageFailed
from verisim.volume import LabelMap
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that the system call fails instead
noise = np.random.default_rng(0).integers(0, 3, (40, 40, 40)).astype(np.uint8)
label_map = LabelMap(noise, np.eye(4), {"a": 1, "b": 2})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    files.write(Path(sys.argv[1]), label_map)
except StorageFailed as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_refuses_in_the_middle_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s{suffix}"
    found = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert f"{path} cannot be written: File too large." in found.stdout
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_told_with_the_remedy_and_the_old_file_stays(
    tmp_path: Path, suffix: str, a_label_map: LabelMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"s{suffix}"
    files.write(path, a_label_map)
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    empty = a_label_map.new(np.zeros_like(a_label_map.array))
    with pytest.raises(StorageFailed, match=r"No space left .* Free some space") as raised:
        files.write(path, empty)
    assert str(path) in raised.value.message
    assert path.read_bytes() == before
    assert names_in(tmp_path) == [path.name]

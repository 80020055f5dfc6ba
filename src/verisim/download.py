"""Public data sets, by MONAI's own downloader and checksums."""

from __future__ import annotations

import tarfile
from pathlib import Path

from monai.apps import DecathlonDataset
from monai.apps.utils import HashCheckError, check_hash, download_url, extractall

from verisim.dataset import Dataset, open_dataset
from verisim.errors import NotFound, StorageFailed, Unavailable, UnreadableFile

TASK = "Task04_Hippocampus"


def decathlon_hippocampus(folder: Path, archive: Path | None = None) -> tuple[Path, Dataset]:
    """Download and unpack the hippocampus task of the Medical Segmentation Decathlon.

    Args:
        folder: Receives the task's folder; what lies there already is not downloaded again.
        archive: A copy of the archive, downloaded earlier; its checksum is not asked for.

    Returns:
        The task's folder and its data set.

    Raises:
        Unavailable: The internet, or the server, cannot be reached.
        UnreadableFile: The archive is broken.
    """
    _make(folder)
    path = archive or _downloaded(folder)
    if not path.is_file():
        raise NotFound(f"There is no archive {path}.", "Check the path.")
    try:
        extractall(path, folder, file_type="tar")
    except (tarfile.TarError, EOFError) as error:
        raise UnreadableFile(
            f"{path} is no complete tar file: {error}.", "Download it again."
        ) from error
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error}.", "Free some space.") from error
    return folder / TASK, open_dataset(folder / TASK)


def _downloaded(folder: Path) -> Path:
    path = folder / f"{TASK}.tar"
    checksum = DecathlonDataset.md5[TASK]
    if path.is_file() and check_hash(path, checksum, "md5"):
        return path
    try:
        download_url(DecathlonDataset.resource[TASK], path, checksum, "md5", progress=False)
    except (OSError, RuntimeError, HashCheckError) as error:
        raise Unavailable(
            f"{DecathlonDataset.resource[TASK]} cannot be downloaded: {error}.",
            "Check the connection, or pass a copy with --archive.",
        ) from error
    return path


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error}.", "Choose another.") from error

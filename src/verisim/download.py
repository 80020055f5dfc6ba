"""Public data sets, by MONAI's own downloader and checksums."""

from __future__ import annotations

import logging
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai.apps import DecathlonDataset
from monai.apps.utils import HashCheckError, check_hash, download_url

from verisim.dataset import Dataset, open_dataset
from verisim.errors import NotFound, StorageFailed, Unavailable, UnreadableFile
from verisim.files.atomic import make_folder

TASK = "Task04_Hippocampus"


def decathlon_hippocampus(folder: Path, archive: Path | None = None) -> tuple[Path, Dataset]:
    """Download and unpack the hippocampus task of the Medical Segmentation Decathlon.

    Args:
        folder: Receives the task's folder; what lies there already is not fetched again.
        archive: A copy of the archive, downloaded earlier; its checksum is not asked for.

    Returns:
        The task's folder and its data set.

    Raises:
        Unavailable: The internet, or the server, cannot be reached.
        UnreadableFile: The archive is broken, unsafe, or another one; nothing is left behind.
    """
    place = folder / TASK
    if not place.is_dir():
        if archive is not None and not archive.is_file():
            raise NotFound(f"There is no archive {archive}.", "Check the path.")
        make_folder(folder)
        _unpack(archive or _downloaded(folder), place)
    return place, open_dataset(place)


def _unpack(archive: Path, place: Path) -> None:
    """Unpack beside the place and move into it, so that half a data set never lies there."""
    try:
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=place.parent) as temporary:
            with tarfile.open(archive) as members:
                # "data" refuses members that would land outside the folder, and devices
                members.extractall(temporary, filter="data")
            found = Path(temporary) / TASK
            if not found.is_dir():
                raise UnreadableFile(
                    f"{archive} holds no folder {TASK}.", f"Download {TASK}.tar again."
                )
            found.replace(place)
    except tarfile.FilterError as error:
        raise UnreadableFile(
            f"{archive} is not safe to unpack: {error}.", "Download it from its own site."
        ) from error
    except (tarfile.TarError, EOFError) as error:
        raise UnreadableFile(
            f"{archive} is no complete tar file: {error}.", "Download it again."
        ) from error
    except OSError as error:
        raise StorageFailed(
            f"{place} cannot be written: {error.strerror or error}.", "Free some space."
        ) from error


def _downloaded(folder: Path) -> Path:
    path, url = folder / f"{TASK}.tar", DecathlonDataset.resource[TASK]
    checksum = DecathlonDataset.md5[TASK]
    try:
        with _quiet():
            if not (path.is_file() and check_hash(path, checksum, "md5")):
                path.unlink(missing_ok=True)  # a broken one would never be fetched again
                download_url(url, path, checksum, "md5", progress=False)
    except (OSError, RuntimeError, HashCheckError) as error:
        raise Unavailable(
            f"{url} cannot be downloaded: {error}.",
            "Check the connection, or pass a copy with --archive.",
        ) from error
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """MONAI's downloader logs to standard output, which belongs to the answer."""
    logger = logging.getLogger("monai.apps")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)

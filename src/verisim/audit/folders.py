"""Where the cases of an audit lie: data sets, synthetic sets, and folders of any images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from skimage.io import imread

from verisim.dataset import Case, open_dataset
from verisim.errors import BadDataset, NotFound, UnreadableFile
from verisim.files import IMAGE_SUFFIXES, stem
from verisim.subjects import SubjectRule
from verisim.volume import Volume

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Slices without a place in the patient; their pixels count as 1 mm."""

BLOCK = 1 << 20


def cases_in(
    folder: Path, split: str = "all", subject_pattern: str = "", subject_table: Path | None = None
) -> tuple[Case, ...]:
    """The cases of a folder, whatever it is.

    Args:
        folder: A data set that `open_dataset` knows, what `verisim synthesize` wrote, or images
            side by side: files, or a folder with a DICOM series each.
        split: Of a data set; "all" for every case.
        subject_pattern: See `open_dataset`.
        subject_table: Likewise.

    Raises:
        NotFound: No such folder or split.
        BadDataset: It holds no image.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Check the path.")
    if _has_series(folder):
        return _series_with_labels(folder)
    if (folder / "dataset.json").is_file() or any(
        (folder / name).is_dir() for name in ("labelsTr", "labels")
    ):
        return open_dataset(folder, subject_pattern, subject_table).split(split)
    images = [path for path in sorted(folder.iterdir()) if _is_image(path)]
    if not images:
        raise BadDataset(
            f"{folder} holds no image.",
            f"Put NIfTI, NRRD or DICOM images there, or pictures ({', '.join(PICTURES)}).",
        )
    rule = SubjectRule(subject_pattern, subject_table).within(folder)
    whose = rule.subjects_of(_name(path) for path in images)
    return tuple(Case(_name(path), whose[_name(path)], (path,)) for path in images)


def volume_of(case: Case) -> Volume:
    """The image of a case, (C, X, Y, Z); the colours of a picture are its channels.

    Raises:
        UnreadableFile: A picture that is none.
    """
    if case.images[0].suffix.lower() not in PICTURES:
        return case.volume()
    channels = [channel for path in case.images for channel in _picture(path)]
    return Volume(np.stack(channels)[..., np.newaxis], np.eye(4))


def digest_of(case: Case) -> str:
    """SHA-256 of everything that is on disk of a case: images, then the label.

    Raises:
        NotFound: A file is gone.
    """
    digest = hashlib.sha256()
    for path in (*case.images, *([case.label] if case.label else [])):
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            try:
                with file.open("rb") as opened:
                    while block := opened.read(BLOCK):
                        digest.update(block)
            except FileNotFoundError as error:
                raise NotFound(
                    f"{file} of the case {case.name} is gone.",
                    "Leave the folder alone until the audit has ended, and start it again.",
                ) from error
    return digest.hexdigest()


def _picture(path: Path) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """Colours first, then X and Y; what is transparent is not looked at."""
    try:
        array = np.asarray(imread(path))
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableFile(f"{path.name} is no picture: {error}.", "Save it again.") from error
    colours = array[..., np.newaxis] if array.ndim == 2 else array[..., :3]
    return np.ascontiguousarray(colours.transpose(2, 1, 0), dtype=np.float32)


def _is_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return any(file.suffix.lower() == ".dcm" for file in path.iterdir())
    return path.name.lower().endswith((*IMAGE_SUFFIXES, *PICTURES))


def _name(path: Path) -> str:
    return path.stem if path.suffix.lower() in PICTURES else stem(path)


def _has_series(folder: Path) -> bool:
    images = folder / "imagesTr"
    return images.is_dir() and any(path.is_dir() for path in images.iterdir())


def _series_with_labels(folder: Path) -> tuple[Case, ...]:
    """What `verisim synthesize --format dicom` wrote: a folder CASE_0000 for each channel."""
    series = [p for p in sorted((folder / "imagesTr").iterdir()) if p.is_dir()]
    names = list(dict.fromkeys(path.name.rpartition("_")[0] or path.name for path in series))
    cases = []
    for name in names:
        images = tuple(path for path in series if path.name in (name,) or _channel_of(path, name))
        labels = sorted((folder / "labelsTr").glob(f"{name}.*"))
        cases.append(Case(name, name, images, labels[0] if labels else None))
    return tuple(cases)


def _channel_of(path: Path, name: str) -> bool:
    return path.name.startswith(f"{name}_") and path.name.rpartition("_")[2].isdigit()

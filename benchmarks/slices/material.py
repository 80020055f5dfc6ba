"""Folders of pictures and masks, laid out as nnU-Net wants volumes: one slice each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from skimage.transform import resize

from verisim.files import write
from verisim.files.atomic import make_folder, replacing
from verisim.volume import LabelMap, Volume


@dataclass(frozen=True)
class Task:
    """A set of pictures with masks of one thing.

    Args:
        label: What is masked.
        channels: Name of each colour.
        subject: Regular expression on a picture's name; its first group is the subject.
        side: Pixels of the longer side, to which pictures are made smaller.
    """

    label: str
    channels: tuple[str, ...]
    subject: str
    side: int = 128


TASKS: Mapping[str, Task] = {
    # neighbouring slices of a patient resemble each other
    "lgg2d": Task(
        "tumour", ("pre-contrast", "FLAIR", "post-contrast"), r"(TCGA_[A-Z]+_[A-Z0-9]+)_"
    ),
    "fundus_disc": Task("disc", ("red", "green", "blue"), r"image_(02[23]|\d+)"),
    # so do frames of a video
    "thyroid": Task("gland", ("ultrasound",), r"(v\d+)_"),
}
"""Folder name to task; two pictures of fundus_disc, 022 and 023, are nearly the same."""


def lay_out_slices(pictures: Path, folder: Path) -> Path:
    """Write a folder of `images` and `masks` as a data set of slices of 1 mm pixels.

    Args:
        pictures: Named like one of the tasks.
        folder: Receives it; left as it is if it is there already.
    """
    task = TASKS[pictures.name]
    if (folder / "dataset.json").is_file():
        return folder
    for name in ("imagesTr", "labelsTr"):
        make_folder(folder / name)
    for picture in sorted((pictures / "images").iterdir()):
        colours = _small(_read(picture), task.side)[: len(task.channels)]
        for k, colour in enumerate(colours):
            image = Volume(colour[..., None].astype(np.float32), np.eye(4))
            write(folder / "imagesTr" / f"{picture.stem}_{k:04d}.nii.gz", image)
        (mask,) = _small(_read(pictures / "masks" / f"{picture.stem}.png"), task.side)[:1]
        inside = (mask[..., None] > 127).astype(np.uint8)
        label_map = LabelMap(inside, np.eye(4), {task.label: 1})
        write(folder / "labelsTr" / f"{picture.stem}.nii.gz", label_map)
    described = {
        "name": pictures.name,
        "channel_names": {str(k): name for k, name in enumerate(task.channels)},
        "labels": {"background": 0, task.label: 1},
        "numTraining": len(list((folder / "labelsTr").iterdir())),
        "file_ending": ".nii.gz",
    }
    with replacing(folder / "dataset.json") as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return folder


def _read(path: Path) -> np.ndarray:
    """Colours first, then X and Y: (C, X, Y), 0 to 255."""
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float64)
    colours = array[..., None] if array.ndim == 2 else array
    return colours.transpose(2, 1, 0)


def _small(colours: np.ndarray, side: int) -> np.ndarray:
    """The same with `side` pixels on the longer side, each the mean of those it stands for."""
    shape = np.array(colours.shape[1:])
    wanted = np.maximum(1, np.rint(shape * side / shape.max())).astype(int)
    if side >= shape.max():
        return colours
    return np.stack([resize(one, wanted, order=1, anti_aliasing=True) for one in colours])

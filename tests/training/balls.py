"""A data set of balls that a tiny network learns in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel

from tests.conftest import affine_of
from tests.training.tiny_run import a_ball
from verisim.dataset import Dataset, open_dataset


def write_balls(folder: Path, count: int = 3, held_out: int = 1) -> Dataset:
    """Cases of a bright and a dark ball; the last ones validate.

    Args:
        folder: Receives them.
        count: Cases, each of a subject of its own.
        held_out: How many validate; 0 writes no splits.
    """
    names = [f"case_{k}" for k in range(count)]
    for k, name in enumerate(names):
        example = a_ball(k)
        for kind, array in (("images", example.image[0]), ("labels", example.label)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(array, affine_of(origin=(5.0, 0.0, 0.0)))
            nibabel.save(image, folder / kind / f"{name}.nii.gz")
    listed = [{"image": f"images/{n}.nii.gz", "label": f"labels/{n}.nii.gz"} for n in names]
    labels = {"background": 0, "anterior": 1, "posterior": 2}
    text = {"name": "balls", "licence": "CC0", "labels": labels, "training": listed}
    (folder / "dataset.json").write_text(json.dumps(text))
    if held_out:
        splits = {"train": names[:-held_out], "val": names[-held_out:]}
        (folder / "splits.json").write_text(json.dumps(splits))
    return open_dataset(folder)

"""Make a small labelled data set of phantoms, to try a training on.

python sample-data/make_training_set.py FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from make_phantom import save_nifti
from phantom import ORIGIN_MM, make_phantom


def main() -> None:
    """Read the folder and the number of cases from the command line and write them."""
    parser = argparse.ArgumentParser(description="Make a data set of hippocampus phantoms.")
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--cases", type=int, default=5, help="how many, each of its own seed")
    arguments = parser.parse_args()
    write_training_set(arguments.folder, arguments.cases)
    print(f"{arguments.cases} labelled phantoms written to {arguments.folder}")


def write_training_set(folder: Path, cases: int) -> None:
    """Write the layout of the Medical Segmentation Decathlon."""
    affine = np.eye(4)
    affine[:3, 3] = ORIGIN_MM
    names = [f"phantom_{seed:03d}.nii.gz" for seed in range(1, cases + 1)]
    for seed, name in enumerate(names, start=1):
        phantom = make_phantom(seed)
        save_nifti(phantom.image, affine, folder / "imagesTr" / name)
        save_nifti(phantom.labels, affine, folder / "labelsTr" / name)
    description = {
        "name": "Phantoms",
        "licence": "Apache-2.0",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [{"image": f"./imagesTr/{n}", "label": f"./labelsTr/{n}"} for n in names],
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Make the sample data: a hippocampus-like phantom as NIfTI, DICOM series and MONAI Label studies.

python sample-data/make_phantom.py            writes beside this script
python sample-data/make_phantom.py FOLDER     writes into another folder
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
from dicom_series import write_series
from phantom import ORIGIN_MM, make_phantom


def main() -> None:
    """Read the folder and the seed from the command line and write the sample data."""
    parser = argparse.ArgumentParser(description="Make the hippocampus phantom.")
    here = Path(__file__).parent
    parser.add_argument("folder", type=Path, nargs="?", default=here, help="where to write")
    parser.add_argument("--seed", type=int, default=0, help="varies shape, texture and noise")
    arguments = parser.parse_args()
    write_sample_data(arguments.folder, arguments.seed)
    print(f"phantom, studies and dicom written to {arguments.folder}")


def write_sample_data(folder: Path, seed: int) -> None:
    """Write the phantom in the three layouts, in place of an earlier one."""
    phantom = make_phantom(seed)
    affine = np.eye(4)
    affine[:3, 3] = ORIGIN_MM
    image, label = folder / "phantom" / "image.nii.gz", folder / "phantom" / "label.nii.gz"
    save_nifti(phantom.image, affine, image)
    save_nifti(phantom.labels, affine, label)
    # the same two files where MONAI Label's LocalDatastore looks for them
    copy(image, folder / "studies" / "phantom_001.nii.gz")
    copy(label, folder / "studies" / "labels" / "final" / "phantom_001.nii.gz")
    write_series(phantom.image, affine, folder / "dicom" / "phantom")


def save_nifti(
    array: npt.NDArray[np.integer], affine: npt.NDArray[np.float64], path: Path
) -> None:
    """Write a volume in scanner coordinates, mm."""
    volume = nibabel.Nifti1Image(array, affine)
    volume.set_qform(affine, code="scanner")
    volume.set_sform(affine, code="scanner")
    volume.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(volume, path)


def copy(source: Path, target: Path) -> None:
    """Copy a file into a folder that may not exist yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    main()

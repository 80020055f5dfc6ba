"""A volume sent to the server comes back, in 3D Slicer's own classes, as segments in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.apps.client import infer, taken_apart
from tests.apps.running import Server
from tests.conftest import affine_of, rotation
from tests.mrml import TOLERANCE_MM, opened, places
from tests.samples import IMAGE, LABEL, ORIGIN_MM
from verisim import files
from verisim.volume import LabelMap, Volume

LABELS = {"anterior": 1, "posterior": 2}


def in_the_head(volume: Volume) -> Volume:
    """The sample starts at 0: the same voxels where a hippocampus lies."""
    return volume.new(volume.array, affine_of(origin=ORIGIN_MM))


def tilted(volume: Volume) -> Volume:
    """The patient lay obliquely: the same voxels on turned axes."""
    turn = np.eye(4)
    turn[:3, :3] = rotation(17)
    return volume.new(volume.array, turn @ volume.affine)


PLACED = {
    "as it is": lambda volume: volume,
    "anisotropic": lambda volume: volume.resampled((0.8, 1.0, 1.5)),
    "oblique": tilted,
    "flipped": lambda volume: volume.reoriented("LPI"),
    "permuted": lambda volume: volume.reoriented("SRA"),
}


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("case", PLACED)
def test_the_segments_lie_on_the_inputs_voxels_where_the_anatomy_is(
    server: Server, tmp_path: Path, case: str, suffix: str
) -> None:
    volume = PLACED[case](in_the_head(files.read(IMAGE)))
    truth = PLACED[case](in_the_head(files.read_label_map(LABEL, LABELS)))
    files.write(tmp_path / f"sent{suffix}", volume)
    wish = {"result_extension": ".seg.nrrd"}
    response = infer(server, {}, wish, tmp_path / f"sent{suffix}", "hippocampus-unet")
    segmentation = opened(taken_apart(response).saved(tmp_path))
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    assert {s.GetName(): s.GetLabelValue() for s in segments} == LABELS
    for segment in segments:
        index = voxels_of(volume, places(segment))
        assert overlap(index, truth, segment.GetName()) > 0.84


def voxels_of(volume: Volume, positions: np.ndarray) -> np.ndarray:
    """The voxel of the volume at each position (N, 3) in RAS mm; each must lie on one."""
    inverse = np.linalg.inv(volume.affine)
    index = positions @ inverse[:3, :3].T + inverse[:3, 3]
    on_voxels = np.abs(index - index.round()) * volume.spacing_mm
    assert on_voxels.max() < TOLERANCE_MM
    return index.round().astype(int)


def overlap(index: np.ndarray, truth: LabelMap, label: str) -> float:
    """Dice of some voxels with a label of the truth."""
    common = truth.binary(label)[tuple(index.T)].sum()
    return float(2 * common / (len(index) + truth.binary(label).sum()))

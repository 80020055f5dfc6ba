"""Copies that were turned far, enlarged or shrunk are found; strangers are not."""

import numpy as np
import pytest
import torch

from tests.audit.people import FLAT, people
from verisim.audit.changes import (
    Change,
    Sample,
    flip,
    inversion,
    noise,
    rotation,
    shift,
    turn,
    zoom,
)
from verisim.audit.collection import Collection
from verisim.audit.far_poses import FarSearch
from verisim.audit.laying import LayingIndex
from verisim.audit.measures import CERTAIN
from verisim.audit.poses import FAR_TILT, far_rotations, far_zooms
from verisim.audit.registered import Registered
from verisim.audit.standard import Standard
from verisim.audit.texture import as_tensor

TEXTURE = Registered("texture", "whole")
ROWS = (1, 5, 8)


def changed(cases: Collection, row: int, changes: tuple[Change, ...]) -> np.ndarray:
    """A case after some changes, (1, C, X, Y, Z)."""
    own, draw = Sample(cases.images[row]), np.random.default_rng([3, row])
    for change in changes:
        own = change(own, own, draw)
    return own.image[None]


def searched(training: Collection) -> LayingIndex:
    """The search that all measures of a training set share."""
    return TEXTURE.prepared(training).laying


@pytest.fixture(scope="module")
def volumes() -> Collection:
    return people(12)


@pytest.fixture(scope="module")
def slices() -> Collection:
    return people(12, FLAT)


FAR = {
    "turned by 30°": (rotation(30.0),),
    "enlarged by 1.4": (zoom(1.4),),
    "shrunk to 0.75": (zoom(0.75),),
    "turned and enlarged": (rotation(25.0), zoom(1.25)),
    "mirrored, turned, noisy": (flip, rotation(25.0), noise(0.2)),
    "a quarter turn and 25°": (turn, rotation(25.0)),
    "black and white, turned": (inversion, rotation(30.0)),
    "turned and shifted": (rotation(30.0), shift(2)),
}


@pytest.mark.parametrize("changes", FAR.values(), ids=FAR.keys())
@pytest.mark.parametrize("what", ["volumes", "slices"])
def test_a_far_copy_is_named(
    what: str, changes: tuple[Change, ...], request: pytest.FixtureRequest
) -> None:
    training: Collection = request.getfixturevalue(what)
    search = searched(training).search
    for row in ROWS:
        placed = search.far(as_tensor(changed(training, row, changes)))
        assert int(placed.values.abs().argmax()) == row


@pytest.mark.parametrize("what", [pytest.param("volumes", marks=pytest.mark.slow), "slices"])
def test_far_copies_are_certain_and_strangers_are_not(
    what: str, request: pytest.FixtureRequest
) -> None:
    training: Collection = request.getfixturevalue(what)
    index = TEXTURE.prepared(training)
    some = training.subset(range(6))
    standard = Standard.among([index(some, not_of=some.patients)], some.strata)

    def deviations(images: np.ndarray) -> np.ndarray:
        cases = people(len(images), training.images.shape[2:], first=700)
        found = index(Collection(cases.names, cases.patients, cases.strata, cases.digests, images))
        return standard([found], cases.strata)[:, 0]

    new = people(2, training.images.shape[2:], first=900)
    assert deviations(new.images).max() < CERTAIN
    far = [changed(training, ROWS[0], (rotation(30.0),)), changed(training, 5, (zoom(1.4),))]
    assert deviations(np.concatenate(far)).min() > CERTAIN


def test_a_shift_and_contrast_change_no_pose(volumes: Collection) -> None:
    far: FarSearch = searched(volumes).search.far
    image = as_tensor(changed(volumes, ROWS[0], (rotation(20.0),)))
    plain, brighter = far(image), far(3 * image + 7)
    torch.testing.assert_close(plain.values, brighter.values, atol=1e-3, rtol=0)
    torch.testing.assert_close(plain.matrices, brighter.matrices)


def test_each_training_case_is_placed_by_itself(volumes: Collection) -> None:
    # so that who else may be named changes nothing, as where a patient's own cases do not count
    index = searched(volumes)
    image = as_tensor(people(1, first=300).images)
    placed = index.search.far(image)
    allowed = torch.ones(len(volumes), dtype=torch.bool)
    for left_out in (0, 7):
        some = allowed.clone()
        some[left_out] = False
        found = index.search.whole(image, some, len(volumes))
        assert left_out not in found.rows.tolist()
        assert (found.peaks.abs() >= placed.values.abs()[found.rows] - 1e-6).all()


def test_no_rotation_up_to_the_limit_is_far_from_all() -> None:
    known = np.stack(far_rotations(False))
    draw = np.random.default_rng(0)
    for _ in range(200):
        axis = draw.standard_normal(3)
        angle = np.radians(FAR_TILT * 0.9) * draw.random() ** (1 / 3)
        wanted = _rotation(angle * axis / np.linalg.norm(axis))
        cosine = (np.einsum("nij,ij->n", known, wanted) - 1) / 2
        assert np.degrees(np.arccos(cosine.max().clip(-1, 1))) < 7


def test_zooms_leave_the_third_axis_of_slices() -> None:
    assert all(zoom[2, 2] == 1 for zoom in far_zooms(True))
    assert all(zoom[2, 2] == zoom[0, 0] for zoom in far_zooms(False))


def _rotation(vector: np.ndarray) -> np.ndarray:
    x, y, z = vector
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    turned: np.ndarray = torch.linalg.matrix_exp(cross).numpy()
    return turned

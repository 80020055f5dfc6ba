"""Planted copies are what their kind says."""

import numpy as np
import pytest

from tests.audit.people import FLAT, SHAPE, people
from verisim.audit.planting import FURTHER_KINDS, KINDS, Kind, kinds_for, planted
from verisim.errors import BadInput

ALL = (*KINDS, *FURTHER_KINDS)


@pytest.mark.parametrize("shape", [SHAPE, FLAT])
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_kind_can_be_planted_and_is_drawn_by_its_seed(
    kind: Kind, shape: tuple[int, ...]
) -> None:
    channels = 2 if kind.several else 1
    training = people(4, shape, channels=channels)
    others = people(2, shape, first=50, channels=channels)
    first, again = (planted(kind, training, others, 3, seed=1) for _ in range(2))
    assert first.cases.images.shape == (3, *training.images.shape[1:])
    assert np.isfinite(first.cases.images).all()
    assert np.array_equal(first.cases.images, again.cases.images)
    assert len(set(first.sources.tolist())) == 3
    changed = not np.allclose(first.cases.images, training.images[first.sources], atol=1e-3)
    assert changed == (kind.name != "copy")


def test_masks_move_with_their_images() -> None:
    training, others = people(4), people(2, first=50)
    assert training.masks is not None
    (kind,) = (kind for kind in KINDS if kind.name == "shift 6")
    made = planted(kind, training, others, 1)
    source = made.sources[0]
    assert made.cases.masks is not None
    assert not np.array_equal(made.cases.masks[0], training.masks[source])


def test_a_mask_is_copied_under_the_image_of_somebody_else() -> None:
    training, others = people(4), people(2, first=50)
    assert training.masks is not None
    made = planted(KINDS[-1], training, others, 2)
    assert made.cases.masks is not None
    assert np.array_equal(made.cases.masks, training.masks[made.sources])
    assert all(any(np.array_equal(i, o) for o in others.images) for i in made.cases.images)


def test_without_masks_no_mask_is_planted() -> None:
    training = people(3)
    bare = training.__class__(**{**vars(training), "masks": None})
    assert all(not kind.masked for kind in kinds_for(bare))
    with pytest.raises(BadInput, match="label maps"):
        planted(KINDS[-1], bare, bare, 1)


def test_one_channel_has_no_other_to_be_exchanged_with() -> None:
    training = people(3)
    assert all(not kind.several for kind in kinds_for(training, FURTHER_KINDS))
    assert any(kind.several for kind in kinds_for(people(3, channels=2), FURTHER_KINDS))

"""What the embedding learns from, and that it learns."""

import numpy as np
import torch
from torch.nn import functional

from tests.audit.people import FLAT, people
from verisim.audit.likeness import Likeness, contrast, crowding, hinge
from verisim.audit.planting import KINDS, planted


def test_contrast_is_least_where_pairs_lie_together() -> None:
    points = functional.normalize(torch.randn(6, 8), dim=1)
    together = torch.cat([points, points])
    assert contrast(together) < contrast(torch.cat([points, points.roll(1, 0)]))


def test_crowding_is_the_log_of_the_nearest_distance() -> None:
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.isclose(crowding(points), torch.tensor(-np.log(2**0.5), dtype=torch.float32))


def test_the_hinge_is_the_formula() -> None:
    own, near, far = (functional.normalize(torch.randn(5, 4), dim=1) for _ in range(3))
    distance = [(1 - functional.cosine_similarity(own, other)) for other in (near, far)]
    expected = torch.clamp(0.05 - (distance[1] - distance[0]), min=0).mean()
    assert torch.isclose(hinge(own, near, far), expected, atol=1e-6)


def test_a_flipped_copy_is_nearer_than_a_stranger() -> None:
    training, new = people(12, FLAT), people(8, FLAT, first=100)
    kinds = tuple(kind for kind in KINDS if kind.name in ("copy", "flip", "noise 0.3"))
    index = Likeness(kinds, steps=30, batch=10).prepared(training)
    copies = planted(kinds[2], training, new, 8)
    matches = index(copies.cases)
    assert (matches.nearest == copies.sources).mean() > 0.7
    assert matches.scores.mean() > index(new).scores.mean()


def test_the_same_seed_gives_the_same_embedding() -> None:
    training = people(4, FLAT)
    first, again = (Likeness(steps=2, batch=4).prepared(training) for _ in range(2))
    assert torch.equal(first.points, again.points)

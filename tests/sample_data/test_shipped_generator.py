"""The generator that comes with the package: its cases look like hippocampi to a segmenter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from verisim.ensembles import segmenter_of
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import dice
from verisim.synthesis import Synthesizer, SyntheticCase

SIDES = ((28, 44), (38, 57), (22, 41))
"""Voxels along each axis: those of the cases it learned from, and a little more."""


@pytest.fixture(scope="module", params=["hippocampus-diffusion", "hippocampus-diffusion-fast"])
def cases(request: pytest.FixtureRequest) -> list[SyntheticCase]:
    card = find_card(request.param, SHIPPED_MODELS)
    return list(Synthesizer(card)(range(3)))


def test_label_maps_are_those_of_one_hippocampus(cases: list[SyntheticCase]) -> None:
    for case in cases:
        for n, (low, high) in zip(case.label_map.spatial_shape, SIDES, strict=True):
            assert low <= n <= high
        for ml in case.label_map.volumes_ml.values():
            assert 0.7 < ml < 3.0
        parts, count = ndimage.label(case.label_map.array > 0)
        largest = np.bincount(parts.ravel())[1:].max()
        assert count <= 4
        assert largest > 0.95 * (parts > 0).sum()


def test_images_show_what_the_label_maps_say(cases: list[SyntheticCase]) -> None:
    segmenter = segmenter_of(find_card("hippocampus-unet", SHIPPED_MODELS))
    for case in cases:
        found = segmenter(case.volume).label_map
        for name in found.labels:
            assert dice(found.binary(name), case.label_map.binary(name)) > 0.75


def test_another_seed_is_another_hippocampus(cases: list[SyntheticCase]) -> None:
    card = find_card("hippocampus-diffusion", SHIPPED_MODELS)
    assert card.generation is not None
    other = replace(card, generation=replace(card.generation, seed=1))
    (case,) = Synthesizer(other)(range(1))
    first = cases[0]
    same = case.volume.spatial_shape == first.volume.spatial_shape
    assert not same or np.abs(case.volume.array - first.volume.array).mean() > 20

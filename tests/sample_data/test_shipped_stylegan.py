"""The StyleGAN that comes with the package: its cases look like hippocampi to a segmenter."""

from __future__ import annotations

import numpy as np
import pytest

from verisim.ensembles import segmenter_of
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import dice
from verisim.synthesis import Synthesizer, SyntheticCase


@pytest.fixture(scope="module")
def cases() -> list[SyntheticCase]:
    card = find_card("hippocampus-stylegan", SHIPPED_MODELS)
    return list(Synthesizer(card)(range(4)))


def test_label_maps_are_those_of_a_hippocampus(cases: list[SyntheticCase]) -> None:
    for case in cases:
        for ml in case.label_map.volumes_ml.values():
            assert 0.7 < ml < 3.0


def test_images_show_what_the_label_maps_say(cases: list[SyntheticCase]) -> None:
    segmenter = segmenter_of(find_card("hippocampus-unet", SHIPPED_MODELS))
    for case in cases:
        found = segmenter(case.volume).label_map
        for name in found.labels:
            assert dice(found.binary(name), case.label_map.binary(name)) > 0.7


def test_cases_differ(cases: list[SyntheticCase]) -> None:
    sides = tuple(slice(n) for n in np.min([case.volume.spatial_shape for case in cases], axis=0))
    first, second = (case.volume.array[sides].astype(float) for case in cases[:2])
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.9

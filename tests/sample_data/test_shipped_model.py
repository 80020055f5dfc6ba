"""The model that comes with the package finds the hippocampus of the sample data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import affine_of
from tests.samples import IMAGE, LABEL, ORIGIN_MM
from verisim.files import read, read_label_map
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import compare
from verisim.segmentation import NetworkSegmenter


@pytest.fixture(scope="module")
def segmenter() -> NetworkSegmenter:
    """The shipped model, ready."""
    return NetworkSegmenter(find_card("hippocampus-unet", SHIPPED_MODELS))


def test_a_sample_is_segmented_in_the_right_place(segmenter: NetworkSegmenter) -> None:
    answer = segmenter(read(IMAGE))
    truth = read_label_map(LABEL, segmenter.card.labels)
    for agreement in compare(answer.label_map, truth):
        assert agreement.dice > 0.86
        assert agreement.hausdorff95_mm < 2
    assert answer.certainty > 0.9
    assert answer.warnings == ()


def test_the_dicom_series_gets_the_same_label_map(
    segmenter: NetworkSegmenter, scanned: Path
) -> None:
    volume = read(IMAGE)
    nifti = segmenter(volume.new(volume.array, affine_of(origin=ORIGIN_MM))).label_map
    dicom = segmenter(read(scanned)).label_map
    assert dicom.shares_grid(read(scanned))
    assert np.array_equal(dicom.resampled_like(nifti).array, nifti.array)


def test_the_card_says_what_the_weights_are(segmenter: NetworkSegmenter) -> None:
    card = segmenter.card
    assert card.weights_path.stat().st_size <= 12_000_000
    assert card.training is not None
    assert card.training.licence == "CC-BY-SA 4.0"
    assert card.figures["dice.val.anterior"] >= 0.895
    assert card.figures["dice.val.posterior"] >= 0.875

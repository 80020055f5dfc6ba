"""The model that comes with the package finds the hippocampus of the sample data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verisim.files import read, read_label_map
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import compare
from verisim.segmentation import NetworkSegmenter

SAMPLE_DATA = Path(__file__).parents[2] / "sample-data"


@pytest.fixture(scope="module")
def segmenter() -> NetworkSegmenter:
    """The shipped model, ready."""
    return NetworkSegmenter(find_card("hippocampus-unet", SHIPPED_MODELS))


def test_the_phantom_is_segmented_in_the_right_place(segmenter: NetworkSegmenter) -> None:
    answer = segmenter(read(SAMPLE_DATA / "phantom" / "image.nii.gz"))
    truth = read_label_map(SAMPLE_DATA / "phantom" / "label.nii.gz", segmenter.card.labels)
    for agreement in compare(answer.label_map, truth):
        assert agreement.dice > 0.8
        assert agreement.hausdorff95_mm < 5
    assert answer.certainty > 0.8
    assert answer.warnings == ()


def test_the_dicom_series_gets_the_same_label_map(segmenter: NetworkSegmenter) -> None:
    nifti = segmenter(read(SAMPLE_DATA / "phantom" / "image.nii.gz")).label_map
    dicom = segmenter(read(SAMPLE_DATA / "dicom" / "phantom")).label_map
    assert np.array_equal(dicom.resampled_like(nifti).array, nifti.array)


def test_the_card_says_what_the_weights_are(segmenter: NetworkSegmenter) -> None:
    card = segmenter.card
    assert card.weights_path.stat().st_size <= 12_000_000
    assert card.training is not None
    assert card.training.licence == "CC-BY-SA 4.0"
    assert card.figures["dice.val.anterior"] >= 0.895
    assert card.figures["dice.val.posterior"] >= 0.875

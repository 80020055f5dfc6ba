"""The figures of doubt: what is scored, and how volumes are spoilt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import medsegdiff_steps
import medsegdiff_uncertainty
from uncertainty.scoring import Score, confidence, disagreement, score
from verisim.card import ModelCard
from verisim.ensembles import segmenter_of
from verisim.maps import MAP_KINDS
from verisim.sampling_wish import SamplingWish
from verisim.segmentation import Segmentation
from verisim.volume import LabelMap, Volume

VOLUME = Volume(np.random.default_rng(0).normal(size=(20, 18, 16)).astype(np.float32), np.eye(4))


@pytest.fixture
def answer(a_diffusion_model: ModelCard) -> Segmentation:
    """Of a network that knows nothing."""
    return segmenter_of(a_diffusion_model, maps=MAP_KINDS, wish=SamplingWish(kept=True))(VOLUME)


def test_an_answer_that_is_the_truth_has_no_errors(answer: Segmentation) -> None:
    found = score("a", "s", answer, answer.label_map)
    assert found.dice == 1
    assert np.isnan(found.entropy_auroc)
    assert found.evaluations > 0
    assert 0 <= found.agreement <= 1


def test_confidence_is_the_highest_probability(answer: Segmentation) -> None:
    labels = np.stack([one.values for one in answer.maps.probability.values()])
    classes = np.concatenate([1 - labels.sum(axis=0, keepdims=True), labels])
    np.testing.assert_allclose(confidence(answer), classes.max(axis=0), atol=1e-3)


def test_disagreement_is_the_share_of_other_votes() -> None:
    labels = {"a": 1}
    one, two = (LabelMap(np.full((2, 2, 2), v, np.uint8), np.eye(4), labels) for v in (0, 1))
    np.testing.assert_array_equal(
        disagreement(one, [one, two, two, two]), np.full((2, 2, 2), 0.75)
    )


def test_mirror_images_vary(
    a_trained_model: ModelCard,
) -> None:
    segmenter = segmenter_of(a_trained_model, maps=MAP_KINDS)
    mirrors = medsegdiff_uncertainty.Mirrors(segmenter)
    found = mirrors(VOLUME)
    assert found.maps.uncertainty is not None
    assert 0 < found.maps.uncertainty.values.max() < 1


def a_row(steps: int, samples: int, dice: float, cases: str) -> medsegdiff_steps.Row:
    scores = tuple(
        Score(case, case, dice, 0.02, 0.95, 0.6, 0.97, 0.9, 1.0, steps * samples) for case in cases
    )
    return medsegdiff_steps.Row("m v1", steps, samples, scores)


def test_rows_are_compared_on_the_same_volumes_only(tmp_path: Path) -> None:
    rows = [a_row(3, 5, 0.88, "abc"), a_row(100, 10, 0.9, "a"), a_row(1, 1, 0.8, "abc")]
    assert medsegdiff_steps.best_on_the_same(rows[0], rows) == pytest.approx(0.88)
    assert medsegdiff_steps.best_on_the_same(rows[1], rows) == pytest.approx(0.9)
    assert medsegdiff_steps.table(rows).row_count == 3
    medsegdiff_steps.draw(tmp_path / "rows.png", rows)
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")

"""What only the owner of a generator can test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verisim.audit.discovery import unseen
from verisim.audit.membership import denoising_losses, membership_of
from verisim.audit.set_tests import (
    adversarial_accuracy,
    authenticity,
    data_copying,
    likelihood_gap,
    set_tests,
)
from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.errors import BadCard, BadInput
from verisim.files import write
from verisim.metrics.fidelity import Features
from verisim.volume import LabelMap, Volume


def clouds(copies: float = 0.0) -> tuple[Features, Features, Features]:
    """Training, held-out and synthetic points of one law, some of the last beside the first."""
    draw = np.random.default_rng(0)
    training, held_out, made = (draw.normal(size=(n, 8)) for n in (150, 150, 150))
    count = int(copies * len(made))
    made[:count] = training[:count] + 0.01 * draw.normal(size=(count, 8))
    return training, held_out, made


def test_a_perfect_generator_is_nothing_special() -> None:
    found = set_tests(*clouds())
    assert abs(found.c_t) < 2
    assert found.authenticity == pytest.approx(found.real_authenticity, abs=0.1)
    assert found.adversarial_training == pytest.approx(0.5, abs=0.1)
    assert abs(found.privacy_loss) < 0.1
    assert -10 < found.fld_gap < 3


def test_copies_show_in_every_test() -> None:
    found, fine = set_tests(*clouds(0.6)), set_tests(*clouds())
    assert found.c_t < -5
    assert found.authenticity < found.real_authenticity - 0.3
    assert found.privacy_loss > 0.2
    assert found.fld_gap < fine.fld_gap - 20


def test_points_far_away_are_underfitted_not_copied() -> None:
    training, held_out, _ = clouds()
    assert data_copying(training, held_out, held_out[::-1] * 3) > 3


def test_authenticity_follows_its_rule() -> None:
    training = np.array([[0.0], [1.0], [10.0]])
    # nearest 0, whose nearest is 1 away: closer is a copy; nearest 10 is lonely
    assert authenticity(training, np.array([[-0.5], [-1.5], [13.0], [20.0]])) == 0.5


def test_the_same_sets_cannot_be_told_apart_and_copies_are_too_close() -> None:
    training, held_out, _ = clouds()
    assert adversarial_accuracy(training, training + 1e-6) == 0
    assert adversarial_accuracy(training, held_out + 100) == 1


def test_the_gap_does_not_depend_on_units() -> None:
    training, held_out, made = clouds()
    units = np.arange(1.0, 9)
    assert likelihood_gap(training * units, held_out * units, made * units) == pytest.approx(
        likelihood_gap(training, held_out, made)
    )


def test_features_that_do_not_compare_are_refused() -> None:
    training, held_out, made = clouds()
    with pytest.raises(BadInput, match="three"):
        set_tests(training, held_out, made[:2])
    with pytest.raises(BadInput, match="same features"):
        set_tests(training, held_out, made[:, :3])


def names(count: int, each: int = 1) -> list[str]:
    """Of patients."""
    return [str(k) for k in range(count) for _ in range(each)]


def test_losses_that_tell_nothing_find_nobody() -> None:
    draw = np.random.default_rng(0)
    rejected = 0
    for _ in range(8):
        found = membership_of(draw.normal(size=60), names(60), draw.normal(size=40), names(40))
        rejected += found.p <= 0.05
        assert found.auc.low < 0.62
    assert rejected <= 2
    assert found.auc.low <= found.auc.mean <= found.auc.high


def test_lower_losses_of_training_cases_give_them_away() -> None:
    draw = np.random.default_rng(0)
    found = membership_of(
        draw.normal(-4, 1, 120), names(60, 2), draw.normal(0, 1, 200), names(100, 2)
    )
    assert found.auc.low > 0.95
    assert found.tpr.low > 0.5
    assert found.p < 1e-6
    assert (found.training, found.held_out) == (60, 100)


def test_a_patient_counts_once() -> None:
    losses = np.array([0.0, 10.0, 1.0, 1.0])
    one = membership_of(losses, ["a", "a", "b", "b"], np.array([3.0, 2.0]), ["c", "d"])
    assert one.auc.mean == 0.5


@pytest.fixture
def a_case(a_volume: Volume, a_label_map: LabelMap, tmp_path: Path) -> Case:
    """On disk."""
    image, label = tmp_path / "a.nii.gz", tmp_path / "a_label.nii.gz"
    write(image, a_volume)
    write(label, a_label_map)
    return Case("a", "a", (image,), label)


def test_losses_of_a_generator_are_the_same_every_time(
    a_generator: ModelCard, a_case: Case
) -> None:
    first = denoising_losses(a_generator, [a_case, a_case])
    assert first.shape == (2,)
    assert np.isfinite(first).all()
    assert first[0] == first[1] == denoising_losses(a_generator, [a_case])[0]


def test_a_model_that_segments_has_no_such_losses(a_trained_model: ModelCard) -> None:
    with pytest.raises(BadCard, match="cleaning noise"):
        denoising_losses(a_trained_model, [])


def test_patients_not_met_yet_are_estimated_by_chao() -> None:
    assert unseen([1, 1, 1, 2, 5]) == 3 * 2 / (2 * 2)
    assert unseen([]) == unseen([2, 3]) == 0

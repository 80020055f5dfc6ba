"""Calibration and the ranking of errors, against their definitions and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from verisim.metrics import calibration_error, error_auroc, region_of_interest

GENERATOR = np.random.default_rng(0)


def test_right_as_often_as_it_says_is_calibrated() -> None:
    confidence = GENERATOR.uniform(0.4, 1, 200_000)
    correct = GENERATOR.random(200_000) < confidence
    assert calibration_error(confidence, correct) < 0.005


def test_always_sure_and_right_in_seven_of_ten_is_off_by_three_tenths() -> None:
    correct = np.arange(1000) % 10 < 7
    assert calibration_error(np.ones(1000), correct) == pytest.approx(0.3)


def test_bins_do_not_cancel_each_other() -> None:
    confidence = np.array([0.5, 0.5, 1.0, 1.0])
    correct = np.array([True, True, False, False])
    assert calibration_error(confidence, correct) == pytest.approx(0.75)


def test_ranking_is_the_area_under_the_curve() -> None:
    wrong = GENERATOR.random(5000) < 0.1
    uncertainty = np.round(GENERATOR.normal(size=5000) + wrong, 1)  # with ties
    expected = roc_auc_score(wrong, uncertainty)
    assert error_auroc(uncertainty, wrong) == pytest.approx(expected)


def test_the_best_ranking_is_one_and_no_ranking_a_half() -> None:
    wrong = np.arange(10) >= 8
    assert error_auroc(np.arange(10.0), wrong) == 1
    assert error_auroc(np.zeros(10), wrong) == 0.5
    assert np.isnan(error_auroc(np.arange(10.0), np.zeros(10, bool)))


def test_the_region_reaches_as_far_as_it_says_in_millimetres() -> None:
    truth = np.zeros((21, 21, 21), bool)
    truth[10, 10, 10] = True
    region = region_of_interest(np.zeros_like(truth), truth, (1.0, 2.0, 1.0), 4.0)
    assert region[6, 10, 10]
    assert not region[5, 10, 10]
    assert region[10, 8, 10]
    assert not region[10, 7, 10]
    assert not region_of_interest(~truth & truth, truth & ~truth, (1.0, 1.0, 1.0)).any()

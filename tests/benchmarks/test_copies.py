"""Splits that look up what was scored once say what an audit of each split says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from copies.pairs import dealt, pairs_of
from tests.audit.people import FLAT, people
from verisim.audit.collection import Collection
from verisim.audit.measures import default_measures


@pytest.fixture(scope="module")
def whole() -> Collection:
    """Slices of eight patients, two a patient."""
    both = people(16, FLAT)
    return replace(both, patients=tuple(f"patient {k // 2}" for k in range(16)))


def test_every_patient_is_dealt_to_one_part(whole: Collection) -> None:
    for deal in dealt(whole.patients, 2, 1, 5, seed=0):
        owners = [{whole.patients[k] for k in rows} for rows in (deal.known, deal.real, deal.made)]
        assert [len(one) for one in owners] == [5, 2, 1]
        assert len(set.union(*owners)) == 8


@pytest.mark.slow
def test_a_split_says_what_its_own_audit_says(whole: Collection, tmp_path: Path) -> None:
    deals = dealt(whole.patients, 2, 1, 2, seed=0)
    path = tmp_path / "pairs.npz"
    first = pairs_of(whole, deals, path)
    again = pairs_of(whole, deals, path)
    for deal in deals:
        training = whole.subset(deal.known)
        measures = default_measures(masked=True)
        for rows, patients in ((deal.real, None), (deal.known, training.patients)):
            looked_up = first.beside(rows, deal.known)
            kept = again.beside(rows, deal.known)
            for measure, found, same in zip(measures, looked_up, kept, strict=True):
                own = measure.prepared(training)(whole.subset(rows), not_of=patients)
                assert found.measure == own.measure
                np.testing.assert_allclose(found.scores, own.scores, atol=2e-3)
                np.testing.assert_array_equal(found.scores, same.scores)

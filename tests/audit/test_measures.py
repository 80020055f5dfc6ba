"""Which measures an audit takes, and when they speak."""

from __future__ import annotations

import numpy as np
import pytest

from verisim.audit.measures import BESIDES, CERTAIN, QUIET, certain, default_measures


@pytest.mark.parametrize("quiet", [*QUIET, *BESIDES])
def test_what_knows_twins_does_not_decide_unless_it_is_certain(quiet: str) -> None:
    names = ["part", quiet]
    said = certain(np.array([[1.0, CERTAIN - 0.1], [1.0, CERTAIN + 2]]), names)
    assert said.max(axis=1).tolist() == [1.0, CERTAIN + 2]
    # asked alone it still puts cases in order
    assert certain(np.array([[5.4]]), [quiet]).tolist() == [[5.4]]


def test_some_measures_always_speak_so_that_new_patients_are_put_in_order() -> None:
    speaking = {one.name for one in default_measures(masked=True)} - {*QUIET}
    assert speaking == {"part", "fine part", "mask"}
    assert {*QUIET} < {one.name for one in default_measures()}

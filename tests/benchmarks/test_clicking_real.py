"""The click network that comes with the package, on volumes that it did not learn from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from clicking.reader import read
from refine_clicks import SHOWN, Ours, starts
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.refinement import ClickNetwork

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(600)]


def test_ten_clicks_lead_from_a_bad_start_to_nine_tenths(real_data: Path) -> None:
    asked = Namespace(
        model="hippocampus-unet",
        data=real_data / "hippocampus",
        cases=20,
        split="val",
        on_copy=False,
    )
    method = Ours(ClickNetwork(find_card("hippocampus-clicks", SHIPPED_MODELS)))
    readings = [
        read(start.volume, start.answer, start.truth, method, max(SHOWN)).dice
        for start in starts(asked, noise=2.0)
    ]
    means = np.mean(readings, axis=0)[list(SHOWN)]
    assert means[0] < 0.82
    assert (np.diff(means) > 0).all()
    assert means[-1] >= 0.90

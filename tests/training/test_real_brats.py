"""Two channels and four labels of real tumours: from the folder to a model that answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verisim.dataset import open_dataset
from verisim.fingerprint import fingerprint_of
from verisim.planning import make_plan
from verisim.segmentation import NetworkSegmenter
from verisim.training.fit import Fit
from verisim.training.schedule import Schedule

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(900)]


def test_brats_trains_and_segments(real_data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(real_data / "brats2013")
    plan = make_plan(fingerprint_of(dataset))
    lighter = plan.default.lighter(features=4, batch_size=1)
    card = plan.card("tumour", lighter)
    first, second = dataset.cases
    assert first.subject != second.subject
    schedule = Schedule(iterations=6, batch_size=1, warm_up=1, moving_average=0.0).lasting(6, 1)
    trained = Fit(card, dataset, schedule)(tmp_path / "run", tmp_path / "models")
    assert (len(trained.channels), len(trained.labels)) == (2, 4)
    assert trained.training is not None
    assert trained.training.cases == 1
    volume, truth = second.pair(dataset.labels)
    answer = NetworkSegmenter(trained)(volume)
    assert answer.label_map.shares_grid(truth)
    assert set(np.unique(answer.label_map.array).tolist()) <= {0, 1, 2, 3, 4}

"""Blocks of cases compared elsewhere give the identical report."""

from __future__ import annotations

import pytest
from distributed import LocalCluster

from tests.audit.sets import cases
from tests.audit.test_auditor import auditor
from verisim.audit.workers import comparing_on
from verisim.errors import Unavailable


def test_one_process_needs_no_executor() -> None:
    with comparing_on() as executor:
        assert executor is None


@pytest.mark.slow
def test_four_processes_of_a_dask_cluster_give_the_identical_report() -> None:
    training, held_out, made = cases("t", 70, 0), cases("h", 40, 1), cases("s", 300, 2)
    with (
        LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster,
        comparing_on(scheduler=cluster.scheduler_address) as executor,
    ):
        spread = auditor(training, held_out, executor=executor)(made)
    assert spread == auditor(training, held_out)(made)


def test_nobody_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verisim.audit.workers.PATIENCE", "0.2s")
    with (
        pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"),
        comparing_on(scheduler="tcp://127.0.0.1:9"),
    ):
        pass

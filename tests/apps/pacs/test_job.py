"""A series of the PACS is segmented by a job, too."""

from __future__ import annotations

from pathlib import Path

import highdicom
import pytest

from tests.apps.pacs.conftest import Hospital
from tests.apps.working import Worker
from tests.samples import SLICES

pytestmark = pytest.mark.slow


def test_a_job_answers_with_a_segmentation_of_the_series(
    hospital: Hospital, tmp_path: Path
) -> None:
    uid, worker = hospital.series["synthetic"], Worker(hospital.server)
    told = worker.ended(worker.handed_in({"image": uid}, result_extension=".dcm"))
    assert told["state"] == "done", told
    (tmp_path / "s.dcm").write_bytes(worker.ask("GET", told["result_url"]).content)
    found = highdicom.seg.segread(tmp_path / "s.dcm")
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == uid
    (folder,) = hospital.cache.glob(f"*/cache/series/*/{uid}")
    assert len(list(folder.iterdir())) == SLICES  # the job took copies

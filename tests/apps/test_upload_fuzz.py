"""A short run of the damaged uploads; `benchmarks/upload_fuzz.py` sends more of them."""

from __future__ import annotations

import psutil
import pytest

from hostile.campaign import Seen, attacked, inputs
from hostile.sending import Server as Target
from tests.apps.running import running

INPUTS = 200
DOORS = ("/infer", "/session", "/datastore/image", "/datastore/label", "/jobs/segment")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What a server of its own made of them."""
    with running(tmp_path_factory.mktemp("fuzz")) as server:
        target = Target(server.url, "tiny", "case_1")
        folders = [server.studies, server.temporary, server.sessions, server.app]
        return attacked(target, psutil.Process(server.process.pid), folders, INPUTS, 7)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_damaged_upload_is_answered_by_its_name(seen: Seen) -> None:
    assert sum(len(answers) for answers in seen.answers.values()) == INPUTS
    assert [(one.number, one.damage, answer) for one, answer in seen.faults] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_damaged_uploads_leave_the_server_as_it_was(seen: Seen) -> None:
    assert seen.broken == []


def test_the_same_seed_makes_the_same_uploads() -> None:
    one, two = (list(inputs(60, 3, DOORS)) for _ in range(2))
    assert one == two
    assert [i.specimen for i in one] != [i.specimen for i in inputs(60, 4, DOORS)]

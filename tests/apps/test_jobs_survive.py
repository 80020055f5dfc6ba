"""Jobs outlive the server: killed, stopped, or started twice."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.apps.running import Server, running, running_again
from tests.apps.working import Worker, a_long_volume, jobs_folder

pytestmark = pytest.mark.slow


def a_second_server(server: Server) -> subprocess.CompletedProcess[str]:
    """What becomes of a server on the folder of jobs of another."""
    command = [str(word) for word in server.process.args]  # type: ignore[union-attr]
    port = command.index("--port") + 1
    command[port] = str(int(command[port]) + 1)
    environment = os.environ | {"TMPDIR": str(server.temporary)}
    return subprocess.run(
        command,
        env=environment,
        cwd=server.log.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_servers_jobs_are_done_by_the_next_and_a_second_beside_it_is_refused(
    tmp_path: Path,
) -> None:
    long_volume = a_long_volume(tmp_path)
    with running(tmp_path / "server") as server:
        worker = Worker(server)
        done = worker.handed_in({"image": "case_1"})
        result = worker.ask("GET", worker.ended(done)["result_url"]).content
        refused = a_second_server(server)
        assert refused.returncode != 0
        assert "Another server uses the jobs" in refused.stderr
        at_work, waiting = worker.handed_in({}, long_volume), worker.handed_in({"image": "case_2"})
        worker.at_work(at_work)
        assert worker.status(at_work)["state"] == "running"
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        with running_again(server) as again:
            worker = Worker(again)
            assert worker.ask("GET", f"/jobs/{done}/result").content == result
            told = worker.ended(at_work)
            assert (told["state"], told["interruptions"]) == ("done", 1)
            told = worker.ended(waiting)
            assert (told["state"], told["interruptions"]) == ("done", 0)
            assert not list((jobs_folder(again) / "jobs" / at_work).glob("unfinished"))


def test_a_stopped_server_parks_its_jobs_for_the_next(tmp_path: Path) -> None:
    with running(tmp_path / "server", {"drain_seconds": "4"}) as server:
        worker = Worker(server)
        at_work = worker.handed_in({}, a_long_volume(tmp_path, 320))
        waiting = worker.handed_in({"image": "case_2"})
        worker.at_work(at_work)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) in {0, -signal.SIGTERM}
        with running_again(server) as again:
            worker = Worker(again)
            assert worker.status(at_work)["interruptions"] == 0
            assert worker.ended(waiting)["state"] == "done"
            assert worker.status(at_work)["state"] in {"queued", "running", "done"}
            worker.ask("DELETE", f"/jobs/{at_work}/data")

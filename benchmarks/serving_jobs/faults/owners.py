"""Two servers on one database of jobs."""

from __future__ import annotations

import subprocess

from serving_jobs.bounded import TimeIsUp, until
from serving_jobs.faults.scene import LONG, PATIENCE, Scene, Tally
from serving_jobs.laws import Law

REFUSAL = "Another server uses the jobs"
SECONDS = 60.0


def two_servers(scene: Scene) -> Law:
    """The second must not start, and the first must not mind."""
    tally = Tally("a second server on the same folder of jobs", "the first did a job")
    with scene.server("first") as first:
        first.start()
        client = first.client()
        job = scene.hand_in(client, LONG)
        with scene.server("second", jobs=first.jobs) as second:
            second.launch()
            assert second.process is not None
            tally.check(_ended(second.process), "the second ended", "the second went on")
            told = REFUSAL in second.log.read_text(errors="replace")
            tally.check(told, "and said why", "no word why")
            tally.check(second.process.returncode not in (0, None), "with an error", "exit code 0")
        state = client.ended(job.id, PATIENCE).state
        tally.check(state == "done", "the first finished its job", f"its job {state}")
        right = scene.right(client, job.id, LONG)
        tally.check(right, "result right", "result lost or wrong")
        first.stop()
    return tally.law()


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        until(process.poll, lambda code: code is not None, SECONDS, 0.1)
    except TimeIsUp:
        return False
    return True

"""The clock on the wall jumps."""

from __future__ import annotations

import os
import time
from pathlib import Path

from serving_jobs.bounded import until
from serving_jobs.client import Client, Job
from serving_jobs.faults.scene import LONG, PATIENCE, SHORT, Scene, Tally
from serving_jobs.laws import Law
from serving_jobs.process import Server

LIBRARY = "libfaketime.so.1"
PLACES = ("/usr/lib", "/usr/local/lib", "/lib")

HOUR, DAY = 3600, 86400

DAYS = 30
"""Longer than anything is kept."""

SWEEP_SECONDS = 35.0
"""Ended jobs are looked through in less, and those that were kept long enough are forgotten."""

SHIFTED = '''"""Shifts time.time() by what a file says."""
import os, time
_true = time.time
def _shifted():
    with open(os.environ["SHIFT_FILE"]) as file:
        return _true() + float(file.read() or 0)
time.time = _shifted
'''


def clock_jump(scene: Scene) -> Law:
    """Far forward and far back while a job runs, and over a restart."""
    shift = scene.folder / "shift"
    environment, how = _shifting(shift)
    tally = Tally(f"clock ±{DAYS} days ({how})", "a job ran, and over a restart")
    with scene.server("clock", environment=environment) as server:
        if how == OWN:
            _lay_own(server, shift)
        _set(shift, 0)
        server.start()
        client = server.client()
        known = [(_handed_in_and_done(scene, client, SHORT), SHORT)]
        for days in (DAYS, -DAYS):
            known.append((_jumped(scene, client, tally, shift, days), LONG))
        _set(shift, DAYS)
        server.stop()
        server.start()
        time.sleep(SWEEP_SECONDS)
        _check(scene, server.client(), tally, known)
        server.stop()
    return tally.law()


def _handed_in_and_done(scene: Scene, client: Client, name: str) -> str:
    job = scene.hand_in(client, name)
    client.ended(job.id, PATIENCE)
    return job.id


def _jumped(scene: Scene, client: Client, tally: Tally, shift: Path, days: int) -> str:
    """Let the clock jump in the middle of a job."""
    job = scene.hand_in(client, LONG)
    client.reached(job.id, 20, PATIENCE)
    _set(shift, days)
    before = client.look(job.id)
    lefts = [before.seconds_left or 0.0]

    def noted(seen: Job) -> bool:
        lefts.append(seen.seconds_left or 0.0)
        return seen.over

    ended = until(lambda: client.look(job.id), noted, PATIENCE, 0.05)
    tally.check(ended.state == "done", f"done over {days:+d} days", f"{ended.state}")
    away = ended.time_of("ended") - time.time() - days * DAY
    tally.check(abs(away) < HOUR, "the server saw it", f"its clock is {away:.0f} s off")
    tally.check(max(lefts) < HOUR, "time left stays sane", f"time left {max(lefts):.0f} s")
    tally.check(min(lefts) >= 0, "never negative", "negative time left")
    return job.id


def _check(scene: Scene, client: Client, tally: Tally, known: list[tuple[str, str]]) -> None:
    for job_id, name in known:
        right = scene.right(client, job_id, name)
        tally.check(right, "result right after jump and restart", "result forgotten")


def _set(shift: Path, days: int) -> None:
    """libfaketime reads "+2592000"; ours takes the same for a number."""
    temporary = shift.with_suffix(".new")
    temporary.write_text(f"{days * DAY:+d}")
    temporary.replace(shift)


OWN = "time.time shifted by a sitecustomize"


def _shifting(shift: Path) -> tuple[dict[str, str], str]:
    """Variables that let a process see another clock, and by what."""
    found = [path for place in PLACES for path in Path(place).rglob(LIBRARY)]
    if not found:
        return {"SHIFT_FILE": str(shift)}, OWN
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }, "libfaketime"


def _lay_own(server: Server, shift: Path) -> None:
    folder = server.folder / "shifted"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHIFTED)
    paths = [str(server.service.app), str(folder), os.environ.get("PYTHONPATH", "")]
    modules = os.pathsep.join(filter(None, paths))
    server.environment = {**server.environment, "PYTHONPATH": modules}

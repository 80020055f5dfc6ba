"""The disk of the jobs is full."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from serving_jobs.client import Client, Refused
from serving_jobs.faults.scene import LONG, PATIENCE, SHORT, SUFFIX, Scene, Tally
from serving_jobs.laws import Law
from serving_jobs.process import Server

DISK_MB = 24

Fill = Callable[[int], None]
"""Leaves so many bytes for whatever is written next."""

Empty = Callable[[], None]
"""Makes room again."""


def full_disk(scene: Scene) -> Law:
    """First the results do not fit, then not even the upload; later there is room again."""
    with scene.server("disk") as server, _small_disk(server.jobs) as small:
        tally = Tally("full disk" if small else "files may not grow", "jobs ran and came in")
        server.start()
        fill, empty = _ballast(server.jobs) if small else _limited(server)
        _filled(scene, server, tally, fill, empty)
        server.stop()
    return tally.law()


def _filled(scene: Scene, server: Server, tally: Tally, fill: Fill, empty: Empty) -> None:
    client = server.client()
    done = scene.hand_in(client, SHORT)
    client.ended(done.id, PATIENCE)
    running = scene.hand_in(client, LONG)
    client.reached(running.id, 10, PATIENCE)
    fill(0)
    _check_refused(scene, client, tally)
    state = client.ended(running.id, PATIENCE)
    tally.check(state.state == "failed", f"the running job failed: {state.trouble}", state.state)
    _check_no_result(client, tally, running.id)
    tally.check(scene.right(client, done.id, SHORT), "earlier result right", "result lost")
    empty()
    later = scene.hand_in(client, LONG)
    client.ended(later.id, PATIENCE)
    tally.check(scene.right(client, later.id, LONG), "with room again: done", "still no room")
    _check_remembered(scene, server, tally, {done.id: SHORT, later.id: LONG}, running.id)


def _check_refused(scene: Scene, client: Client, tally: Tally) -> None:
    before = len(client.mine())
    try:
        scene.hand_in(client, LONG)
    except Refused as refused:
        good = refused.code == "storage_failed"
        tally.check(good, f"a new job refused: {refused.status}", f"refused with {refused}")
    else:
        tally.wrong["a job taken in that does not fit"] += 1
    tally.check(len(client.mine()) == before, "no record of it", "a record without a job")


def _check_no_result(client: Client, tally: Tally, job_id: str) -> None:
    try:
        client.result(job_id, f"label{SUFFIX}")
    except Refused as refused:
        tally.check(refused.status == 409, "no half result served", f"result: {refused}")
    else:
        tally.wrong["half a file served"] += 1


def _check_remembered(
    scene: Scene, server: Server, tally: Tally, done: dict[str, str], failed: str
) -> None:
    """What was told while the disk was full is still so after a restart."""
    server.stop()
    server.start()
    client = server.client()
    for job_id, name in done.items():
        right = scene.right(client, job_id, name)
        tally.check(right, "result right after a restart", "result lost by a restart")
    state = client.look(failed).state
    tally.check(state == "failed", "the failed one still failed", f"failed, then {state}")


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A disk of its own for a folder; False where only root could make one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        # -l: a server that is just being killed may still have files open there
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _ballast(folder: Path) -> tuple[Fill, Empty]:
    ballast = folder.parent / "jobs" / ".ballast"

    def fill(left: int) -> None:
        size = max(0, shutil.disk_usage(folder).free - left)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    return fill, lambda: ballast.unlink()


def _limited(server: Server) -> tuple[Fill, Empty]:
    """Files may not grow beyond some bytes: what a disk without quota allows to try."""
    process = psutil.Process(server.seen().pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)

    def fill(left: int) -> None:
        process.rlimit(psutil.RLIMIT_FSIZE, (left, before[1]))

    def empty() -> None:
        process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, before[1]))

    return fill, empty

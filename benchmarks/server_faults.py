"""What becomes of jobs when something goes wrong: real processes, real faults.

    python benchmarks/server_faults.py [--times 10] [--only NAME …] [--output table.json]

The server is killed, a worker of a cluster is killed, the disk is full, clients vanish in the
middle of an upload or of a result, two servers want one database, the clock jumps. Whatever
happens, no finished result may be lost and no half-written file served: every result is compared
with an undisturbed run. The exit code is 1 if that does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import requests

from serving_jobs.bounded import OutOfTime, TimeIsUp, bounded
from serving_jobs.client import Refused
from serving_jobs.faults.clock import clock_jump
from serving_jobs.faults.disk import full_disk
from serving_jobs.faults.kills import server_killed
from serving_jobs.faults.links import client_gone_mid_result, client_gone_mid_upload
from serving_jobs.faults.owners import two_servers
from serving_jobs.faults.scene import Scene, scene_in
from serving_jobs.faults.workers import worker_killed
from serving_jobs.laws import Law, command_line, present
from serving_jobs.process import NotServing

FAULTS: Mapping[str, Callable[[Scene], Law]] = {
    "server-killed": server_killed,
    "worker-killed": worker_killed,
    "full-disk": full_disk,
    "mid-upload": client_gone_mid_upload,
    "mid-result": client_gone_mid_result,
    "two-servers": two_servers,
    "clock-jump": clock_jump,
}


def main() -> int:
    """Do the faults one after the other, print the table; returns the exit code."""
    arguments = _arguments()
    laws: list[Law] = []
    try:
        with bounded(60 * arguments.minutes), tempfile.TemporaryDirectory() as folder:
            scene = scene_in(Path(folder), arguments.times, arguments.seed)
            for law in _done(arguments.only, scene):
                laws.append(law)
    except OutOfTime as late:
        laws.append(Law("all faults in time", str(late), False))
    return present("What each fault led to", laws, arguments.output, first="fault")


def _done(names: Sequence[str], scene: Scene) -> Iterator[Law]:
    for name in names:
        began = time.monotonic()
        try:
            law = FAULTS[name](scene)
        except (TimeIsUp, NotServing, Refused, requests.RequestException) as error:
            law = Law(name, f"WRONG: {error}", False)
        seconds = time.monotonic() - began
        print(f"{name}, {seconds:.0f} s: {law.verdict}: {law.seen}", file=sys.stderr)
        yield law


def _arguments() -> argparse.Namespace:
    parser = command_line(__doc__, minutes=8)
    add = parser.add_argument
    add("--times", type=int, default=10, help="how often the frequent faults [%(default)s]")
    add("--only", nargs="+", choices=FAULTS, default=tuple(FAULTS), help="some of them [all]")
    arguments = parser.parse_args()
    if arguments.times < 1:
        parser.error("--times is at least 1")
    return arguments


if __name__ == "__main__":
    raise SystemExit(main())

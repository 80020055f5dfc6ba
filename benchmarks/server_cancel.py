"""Cancelling at random moments, and how well the time left is told.

    python benchmarks/server_cancel.py [--times 50] [--long 3] [--output table.json]

Fifty times a job is cancelled at a random moment while another waits: how long until the other
starts, beside the steps of an undisturbed job, and what stays behind in threads, open files and
folders. Then some segmentations and a training of at least ten seconds are watched: their percent
must not fall, and what is said at half time must be right within a quarter. The exit code is 1 if
something does not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from serving_jobs.bounded import OutOfTime, TimeIsUp, bounded, until
from serving_jobs.client import Client
from serving_jobs.crowd import training
from serving_jobs.laws import Law, command_line, present
from serving_jobs.material import MANY, MODEL, ONE, Tiles, labelled_studies, tiled
from serving_jobs.process import Server, prepared
from serving_jobs.steps import Course, watched
from serving_jobs.watching import Held, held, percentile

PATIENCE = 120.0
"""For one job, seconds."""

LONG_SECONDS = 10.0
"""Jobs that take at least so long must tell their time left well."""

LARGE: Tiles = (4, 4, 3)

FORECAST = 0.25
"""By which the time left may be wrong."""

AT_ONCE = 24
"""Jobs that warm the server up: its pools of threads are as large as they may be then."""

SETTLED = 10.0
"""Seconds in which connections that nobody uses must be gone."""


@dataclass(frozen=True)
class Moment:
    """When a job is cancelled.

    Args:
        percent: When it is so far,
        later: and so many seconds more.
    """

    percent: float
    later: float


@dataclass(frozen=True)
class Cancelled:
    """One round.

    Args:
        percent: How far the job was when it was last looked at.
        state: What became of it: it may have been over already.
        free: From the cancelling, when it was sent, until the job had ended, seconds.
        next: From there until the next job started, seconds.
    """

    percent: float
    state: str
    free: float
    next: float


def main() -> int:
    """Start a server, cancel, watch, print the table; returns the exit code."""
    arguments = _arguments()
    laws: list[Law] = []
    try:
        with (
            bounded(60 * arguments.minutes),
            tempfile.TemporaryDirectory() as folder,
            prepared(Path(folder)) as server,
        ):
            labelled_studies(server.folder / "studies", 4)
            server.start()
            if arguments.times:
                laws += _cancelling(server, arguments)
            if arguments.long:
                laws += _forecasts(server, arguments)
            server.stop()
    except (OutOfTime, TimeIsUp) as late:
        laws.append(Law("all ends in time", str(late), False))
    return present("Cancelling and time left", laws, arguments.output)


def _cancelling(server: Server, arguments: argparse.Namespace) -> list[Law]:
    client, draw = server.client(), random.Random(arguments.seed)
    long = tiled(server.folder / "long.nii", MANY)
    short = tiled(server.folder / "short.nii", ONE)
    _course(client, long)  # loads the network
    undisturbed = _course(client, long)
    step = percentile(undisturbed.steps, 50)
    _warm_up(server, short)
    rounds, before, files = [], held(server.seen()), server.files()
    for k in range(1, arguments.times + 1):
        moment = Moment(draw.uniform(0, 97), draw.uniform(0, step))
        rounds.append(_round(client, long, short, moment))
        _tell(k, rounds[-1])
    after = _settled(server, before)
    return [
        *_prompt(rounds, undisturbed),
        Law("no thread or process stays behind", _both(before, after), _no_more(before, after)),
        _left(files, server.files()),
    ]


def _warm_up(server: Server, volume: Path) -> None:
    """Many jobs at the same moment, each handed in, cancelled and forgotten."""

    def come_and_go(k: int) -> None:
        client = server.client()
        job = client.segment(volume, model=MODEL, device="cpu", result_extension=".nii")
        client.cancel(job.id)
        client.ended(job.id, PATIENCE)
        client.forget(job.id)
        client.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(come_and_go, range(AT_ONCE)))


def _settled(server: Server, before: Held) -> Held:
    """What the server holds when it is no more than before, or after some seconds."""
    end = time.monotonic() + SETTLED
    while not _no_more(before, now := held(server.seen())) and time.monotonic() < end:
        time.sleep(0.2)
    return now


def _round(client: Client, long: Path, short: Path, moment: Moment) -> Cancelled:
    """Hand in two jobs, cancel the first while it runs, wait for the second, forget both."""
    first = client.segment(long, model=MODEL, device="cpu", result_extension=".nii")
    second = client.segment(short, model=MODEL, device="cpu", result_extension=".nii")
    until(lambda: client.look(first.id), lambda job: job.state != "queued", PATIENCE, 0.005)
    percent = client.reached(first.id, moment.percent, PATIENCE).percent
    time.sleep(moment.later)
    asked = time.time()
    client.cancel(first.id)
    followed, ended = client.ended(second.id, PATIENCE), client.ended(first.id, PATIENCE)
    for job in (first, second):
        client.forget(job.id)
    free = ended.time_of("ended")
    return Cancelled(percent, ended.state, free - asked, followed.time_of("started") - free)


def _prompt(rounds: Sequence[Cancelled], undisturbed: Course) -> list[Law]:
    hit = [one for one in rounds if one.state == "cancelled"]
    if not hit:
        return [Law("cancelled jobs end", "none was hit", False)]
    delays = [one.free for one in hit]
    steps = undisturbed.steps
    percents = [one.percent for one in hit]
    return [
        Law(
            f"{len(rounds)} times cancelled at a random moment",
            f"{len(hit)} hit at {min(percents):.0f}–{max(percents):.0f} %, "
            f"{len(rounds) - len(hit)} were over already; every next job ended well",
        ),
        Law(
            "the device is free in less than a step",
            f"free {_spread(delays)} after the cancelling was sent; a step takes "
            f"{_spread(steps)}; the next job started {_spread([one.next for one in hit])} later",
            percentile(delays, 50) < percentile(steps, 50) and max(delays) < max(steps),
        ),
    ]


def _forecasts(server: Server, arguments: argparse.Namespace) -> list[Law]:
    client = server.client()
    laws = []
    for k in range(arguments.long):
        volume = tiled(server.folder / f"large-{k}.nii", LARGE, k)
        laws += _forecast(f"segmentation {k + 1}", _course(client, volume, 0.05))
        volume.unlink()
    job = client.train("", **training("timed", epochs=6, iterations=16))
    return [*laws, *_forecast("training", watched(client, job.id, 3 * PATIENCE, 0.05))]


def _forecast(what: str, course: Course) -> list[Law]:
    said, remained = course.forecast()
    error = said / remained - 1
    name = f"{what}, {course.seconds:.0f} s"
    long_enough = course.seconds >= LONG_SECONDS
    return [
        Law(f"{name}: percent never falls", f"{len(course.looks)} looks", course.rises),
        Law(
            f"{name}: time left at half time",
            f"said {said:.1f} s, {remained:.1f} s remained: {error:+.0%}"
            + ("" if long_enough else "; too short to count"),
            abs(error) <= FORECAST if long_enough else None,
        ),
    ]


def _course(client: Client, volume: Path, pause: float = 0.01) -> Course:
    job = client.segment(volume, model=MODEL, device="cpu", result_extension=".nii")
    course = watched(client, job.id, 3 * PATIENCE, pause)
    client.forget(job.id)
    return course


def _no_more(before: Held, now: Held) -> bool:
    return (
        now.threads <= before.threads
        and now.open_files <= before.open_files
        and now.children <= before.children
    )


def _both(before: Held, after: Held) -> str:
    return (
        f"threads {before.threads} → {after.threads}, open files {before.open_files} → "
        f"{after.open_files}, processes {before.children} → {after.children}"
    )


def _left(before: set[str], after: set[str]) -> Law:
    more = sorted(after - before)
    seen = f"{len(before)} → {len(after)} {', '.join(more[:3])}".strip()
    return Law("no file stays behind", seen, not more)


def _spread(seconds: Sequence[float]) -> str:
    low, middle, high = (1000 * percentile(seconds, p) for p in (0, 50, 100))
    return f"{middle:.0f} ms ({low:.0f}–{high:.0f})"


def _tell(k: int, one: Cancelled) -> None:
    print(f"{k}: {one.state} at {one.percent:.0f} %", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = command_line(__doc__, minutes=8)
    add = parser.add_argument
    add("--times", type=int, default=50, help="how often to cancel [%(default)s]")
    add("--long", type=int, default=3, help="segmentations that are timed [%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

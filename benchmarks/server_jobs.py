"""Ten users at once, 200 jobs of mixed kinds on the processor, one server.

    python benchmarks/server_jobs.py [--jobs 200] [--users 10] [--output table.json]

Every user hands in twenty jobs, some of them twice under the same idempotency key, asks all the
time how they stand, and fetches every result. Volumes differ in size and format, models in kind,
and some of the jobs are trainings. The exit code is 1 if a job is lost or done twice, the order is
unfair, a status takes too long, or memory grows.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serving_jobs.bounded import OutOfTime, TimeIsUp, bounded
from serving_jobs.crowd import Visitor, Wish, different_answers, visit_all
from serving_jobs.fairness import largest_lead
from serving_jobs.laws import Law, command_line, present
from serving_jobs.material import MODEL, ONE, SECOND, labelled_studies, second_model, tiled
from serving_jobs.process import Server, prepared
from serving_jobs.watching import Memory, at_rest, percentile
from verisim.keys import append_key, new_key

STATUS_SECONDS = 0.1
"""A standing is told in less, all but one time in a hundred."""

LEAD = 2
"""Ended jobs by which a user may get ahead of another who waits too."""

GROWTH = 1.05
"""Memory may grow by so much after the warm-up."""

WARM_UP = 2
"""Jobs of each user before memory is looked at."""

EXTENSIONS = (".nrrd", ".nii.gz", ".nii", ".seg.nrrd")

SIZES = (ONE, ONE, ONE, (2, 1, 1), (1, 2, 2))

TITLE = "{jobs} jobs of {users} users in {seconds:.0f} s"


def main() -> int:
    """Start a server, let everybody in, print the table; returns the exit code."""
    arguments = _arguments()
    try:
        with bounded(60 * arguments.minutes), tempfile.TemporaryDirectory() as folder:
            title, laws = _measured(Path(folder), arguments)
    except (OutOfTime, TimeIsUp) as late:
        title, laws = "Jobs", [Law("all jobs end in time", str(late), False)]
    return present(title, laws, arguments.output)


def _measured(folder: Path, arguments: argparse.Namespace) -> tuple[str, list[Law]]:
    wishes, warm = _wishes(folder, arguments)
    with _opened(folder, arguments.users) as (server, keys):
        first = [Visitor(name, server.client(key), "warm-up") for name, key in keys.items()]
        visit_all(first, warm, arguments.seed)
        memory = Memory(server.seen())
        before = at_rest(memory.process)
        visitors = [Visitor(name, server.client(key)) for name, key in keys.items()]
        began = time.monotonic()
        with memory:
            visit_all(visitors, wishes, arguments.seed)
        seconds = time.monotonic() - began
        after = at_rest(memory.process)
        listed = sum(len(visitor.client.mine()) for visitor in visitors) - sum(map(len, warm))
    title = TITLE.format(jobs=arguments.jobs, users=arguments.users, seconds=seconds)
    laws = [*_kept(visitors, listed, arguments.jobs), *_pace(visitors)]
    return title, [*laws, _flat(before, after, max(memory.seen))]


def _kept(visitors: Sequence[Visitor], listed: int, wanted: int) -> list[Law]:
    jobs = [job for visitor in visitors for job in visitor.jobs.values()]
    done = sum(job.state == "done" for job in jobs)
    faults = sorted({fault for visitor in visitors for fault in visitor.faults})
    doubles = sum(visitor.doubles for visitor in visitors)
    apart = sum(visitor.apart for visitor in visitors)
    answers = sum(len(visitor.answers) for visitor in visitors)
    different = different_answers(visitors)
    return [
        Law("none lost", f"{done} of {wanted} done {'; '.join(faults)}".strip(), done == wanted),
        Law(
            "none answered twice",
            f"{doubles} handed in twice, {apart} of them became two jobs; {listed} listed",
            apart == 0 and listed == wanted and doubles > 0,
        ),
        Law(
            "the same volume, the same label map",
            f"{answers} results, {different} wishes with different ones",
            different == 0 and answers > 0,
        ),
    ]


def _pace(visitors: Sequence[Visitor]) -> list[Law]:
    lead = largest_lead([stay for visitor in visitors for stay in visitor.stays])
    waits = [wait for visitor in visitors for wait in visitor.client.waits]
    late = percentile(waits, 99)
    return [
        Law("the order is fair", f"largest lead of a user: {lead} jobs", lead <= LEAD),
        Law(
            f"a standing in < {1000 * STATUS_SECONDS:.0f} ms (p99)",
            f"{len(waits)} times: median {1000 * percentile(waits, 50):.0f} ms, "
            f"p99 {1000 * late:.0f} ms, worst {1000 * max(waits):.0f} ms",
            late < STATUS_SECONDS,
        ),
    ]


def _flat(before: float, after: float, peak: float) -> Law:
    return Law(
        "memory is flat after warm-up",
        f"at rest {before:.0f} MB before and {after:.0f} MB after, peak {peak:.0f} MB",
        after <= GROWTH * before,
    )


@contextmanager
def _opened(folder: Path, users: int) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with models and labelled cases, and the key of each user."""
    ring, keys = folder / "keys.txt", {}
    for k in range(users):
        name = f"user-{k}"
        keys[name], entry = new_key(name, "admin")
        append_key(ring, entry)
    with prepared(folder, keys=ring) as server:
        labelled_studies(folder / "studies", 4)
        second_model(folder / "models")
        server.start()
        yield server, keys
        server.stop()


def _wishes(
    folder: Path, arguments: argparse.Namespace
) -> tuple[list[list[Wish]], list[list[Wish]]]:
    """What each user will ask for, and what before to warm the server up."""
    draw = random.Random(arguments.seed)
    (folder / "volumes").mkdir()
    volumes = [
        tiled(folder / "volumes" / f"{k}{suffix}", tiles, k)
        for k, (tiles, suffix) in enumerate(zip(SIZES, EXTENSIONS[:3] * 2, strict=False))
    ]
    wishes, warm = (
        [
            Wish(draw.choice(volumes), draw.choice((MODEL, SECOND)), draw.choice(EXTENSIONS))
            for _ in range(count)
        ]
        for count in (arguments.jobs, WARM_UP * arguments.users)
    )
    if arguments.trainings:
        warm[0] = Wish(None, "new-warm-up")
    for k in range(arguments.trainings):  # early, and of different users
        wishes[k * (arguments.users + 1)] = Wish(None, f"new-{k}")
    users = range(arguments.users)
    return [wishes[k :: len(users)] for k in users], [warm[k :: len(users)] for k in users]


def _arguments() -> argparse.Namespace:
    parser = command_line(__doc__, minutes=8)
    parser.add_argument("--jobs", type=int, default=200, help="in all [%(default)s]")
    parser.add_argument("--users", type=int, default=10, help="at once [%(default)s]")
    parser.add_argument("--trainings", type=int, default=3, help="of the jobs [%(default)s]")
    arguments = parser.parse_args()
    if arguments.users < 2 or arguments.jobs < arguments.users * (arguments.trainings + 1):
        parser.error("at least two users, and so many jobs that the trainings are few of them")
    return arguments


if __name__ == "__main__":
    raise SystemExit(main())

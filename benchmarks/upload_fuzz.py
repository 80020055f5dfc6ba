"""Damaged uploads: every answer is a named refusal, and the server does not notice.

    python benchmarks/upload_fuzz.py [--inputs 2000] [--seed 0] [--only N]

Sends truncated, flipped, forged and swollen NIfTI, NRRD and DICOM files to every route that takes
a volume. Ends with 1 if an answer is no named 4xx (or 200, where the file is still a volume), the
server dies, its memory grows, or a file is left behind.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from hostile.campaign import GB, Seen, attacked, inputs
from hostile.sending import Server
from hostile.specimens import STUDY
from verisim.files import read, write
from verisim.serving import Service, free_port, prepare_app, running

MODEL = "hippocampus-unet"
IMAGE = "sample"


def main() -> None:
    """Start a server, send everything, print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name, _started(Path(name)) as (server, process, folders):
        if arguments.only is not None:
            _send_one(server, arguments.only, arguments.seed)
            return
        seen = attacked(server, process, folders, arguments.inputs, arguments.seed)
    _print(seen, arguments.inputs)
    sys.exit(1 if seen.broken else 0)


@contextmanager
def _started(folder: Path) -> Iterator[tuple[Server, psutil.Process, list[Path]]]:
    """A server whose temporary files can be counted."""
    studies, temporary, sessions = (folder / name for name in ("studies", "tmp", "sessions"))
    for made in (studies, temporary, sessions):
        made.mkdir()
    write(studies / f"{IMAGE}.nii.gz", read(STUDY))
    os.environ |= {"TMPDIR": str(temporary), "MONAI_LABEL_SESSION_PATH": str(sessions)}
    service = Service(
        str(studies), prepare_app(folder / "app"), folder / "models", port=free_port()
    )
    with running(service, folder / "server.log") as process:
        folders = [studies, temporary, sessions, folder / "app" / "kept-jobs"]
        yield Server(service.url, MODEL, IMAGE), process, folders


def _send_one(server: Server, number: int, seed: int) -> None:
    """One input again, to look at its answer."""
    *_, one = inputs(number + 1, seed, server.doors)
    names = [(name, len(content)) for name, content in one.specimen.files]
    print(one.specimen.format, one.damage, one.door, names)
    print(server.send(one.door, one.specimen))


def _print(seen: Seen, number: int) -> None:
    table = Table("format", "damage", "answers", "slowest (s)")
    for (format_, damage), counts in seen.counts.items():
        told = ", ".join(f"{n}× {status} {code}".strip() for (status, code), n in counts.items())
        slowest = max(answer.seconds for answer in seen.answers[format_, damage])
        table.add_row(format_, damage, told, f"{slowest:.2f}")
    console = Console()
    console.print(table)
    memory = ", ".join(f"{size / 2**20:.0f}" for size in seen.memory)
    console.print(
        f"{number} inputs; resident memory at a tenth, the middle, the end: {memory} MB,"
    )
    console.print(f"peak {seen.peak / GB:.2f} GB; {len(seen.left)} files left behind")
    for one, answer in seen.faults:
        console.print(f"input {one.number} ({one.specimen.format}, {one.damage}, {one.door}):")
        console.print(
            f"  {answer.fault}: {answer.status} {answer.code} {answer.text}", markup=False
        )
    for law in seen.broken:
        console.print(f"Broken: {law}", markup=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="send this input alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()

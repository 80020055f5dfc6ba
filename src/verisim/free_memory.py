"""How much main memory this process may still take: of the machine, and of its container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class _Group:
    """The files of a control group (https://docs.kernel.org/admin-guide/cgroup-v2.html).

    Args:
        limit: Bytes that it may take, or "max".
        taken: Bytes that it has taken, files that are cached included.
        idle: Line of memory.stat with the bytes of cached files that nobody used of late: Linux
            gives them up before the limit counts.
    """

    limit: str
    taken: str
    idle: str


_SECOND = _Group("memory.max", "memory.current", "inactive_file")
_FIRST = _Group("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_bytes(root: Path = Path("/")) -> int:
    """What this process may still take before the machine or its container has no more.

    psutil tells what the machine has, also inside a container that may take less.

    Args:
        root: Where the files of Linux lie.
    """
    return min([psutil.virtual_memory().available, *_allowed_bytes(root)])


def _allowed_bytes(root: Path) -> Iterator[int]:
    """What each control group around this process still allows (Docker, systemd, …)."""
    for files, folder in _groups(root):
        # the files may be missing, as those of the outermost group are, or end while they are read
        with suppress(OSError):
            limit = (folder / files.limit).read_text().strip()
            if limit != "max":
                taken = int((folder / files.taken).read_text())
                yield max(0, int(limit) - taken + _idle(folder, files))


def _groups(root: Path) -> Iterator[tuple[_Group, Path]]:
    """The control groups of this process, each with those around it (`man 7 cgroups`)."""
    listed = root / "proc" / "self" / "cgroup"
    lines = listed.read_text().splitlines() if listed.is_file() else []
    for number, controllers, path in (line.split(":", 2) for line in lines):
        if number == "0":
            files, top = _SECOND, root / "sys" / "fs" / "cgroup"
        elif "memory" in controllers.split(","):
            files, top = _FIRST, root / "sys" / "fs" / "cgroup" / "memory"
        else:
            continue
        yield files, top
        # inside a container, folders of the machine's own names may not be there
        inner = [name for name in path.split("/") if name]
        yield from ((files, top.joinpath(*inner[: k + 1])) for k in range(len(inner)))


def _idle(folder: Path, files: _Group) -> int:
    stat = (folder / "memory.stat").read_text().splitlines()
    pairs = dict(line.split(" ", 1) for line in stat)
    return int(pairs.get(files.idle, 0))

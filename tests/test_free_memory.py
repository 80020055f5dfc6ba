"""What a process may still take, by the files of Linux in a folder of the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from verisim import memory
from verisim.free_memory import available_bytes

GB = 10**9
MACHINE = 64 * GB
UNLIMITED = 9223372036854771712
"""What the first version of control groups calls no limit."""


@dataclass(frozen=True)
class Machine:
    """What psutil tells of it."""

    available: int = MACHINE


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 GB are free."""
    monkeypatch.setattr(psutil, "virtual_memory", Machine)


def linux(root: Path, own: str, groups: Mapping[str, tuple[object, int, int]]) -> Path:
    """A folder like / of a machine.

    Args:
        own: The control groups of the process, as Linux lists them.
        groups: Limit, taken and idle bytes of each, by its folder.
    """
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text(own)
    for name, (limit, taken, idle) in groups.items():
        folder = root / "sys" / "fs" / "cgroup" / name
        folder.mkdir(parents=True, exist_ok=True)
        first = name.split("/")[0] == "memory"
        limit_file, taken_file, line = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if first
            else ("memory.max", "memory.current", "inactive_file")
        )
        (folder / limit_file).write_text(f"{limit}\n")
        (folder / taken_file).write_text(f"{taken}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file 7\n{line} {idle}\nfile 9\n")
    return root


FIRST = "9:name=systemd:/\n4:cpuset,memory:{}\n3:cpu:/\n"
"""The lines of a process below the first version."""


@pytest.mark.parametrize(
    ("own", "groups", "free"),
    [
        ("0::/\n", {"": (8 * GB, 3 * GB, 0)}, 5 * GB),  # Docker
        ("0::/\n", {"": (8 * GB, 8 * GB, 6 * GB)}, 6 * GB),  # full of cached files
        ("0::/\n", {"": (8 * GB, 9 * GB, 0)}, 0),
        ("0::/\n", {"": (8 * 10**12, GB, 0)}, MACHINE),
        ("0::/\n", {"": ("max", 3 * GB, 0)}, MACHINE),
        ("0::/\n", {}, MACHINE),  # the outermost group has no such files
        ("", {"": (8 * GB, 3 * GB, 0)}, MACHINE),
        # a service of systemd: the tightest of all groups around it counts
        ("0::/a/b\n", {"a": (8 * GB, 3 * GB, 0), "a/b": ("max", GB, 0)}, 5 * GB),
        ("0::/a/b\n", {"a": (8 * GB, 3 * GB, 0), "a/b": (2 * GB, GB, 0)}, GB),
        ("0::/a/b\n", {"a": (8 * GB, 3 * GB, 0), "a/c": (2 * GB, GB, 0)}, 5 * GB),
        # the first version, of a machine and of a container that does not see the machine's names
        (FIRST.format("/"), {"memory": (8 * GB, 3 * GB, GB)}, 6 * GB),
        (FIRST.format("/docker/4f"), {"memory": (8 * GB, 3 * GB, 0)}, 5 * GB),
        (FIRST.format("/a"), {"memory/a": (8 * GB, 3 * GB, 0)}, 5 * GB),
        (FIRST.format("/"), {"memory": (UNLIMITED, 3 * GB, 0)}, MACHINE),
    ],
)
def test_the_tightest_limit_around_a_process_counts(
    tmp_path: Path, own: str, groups: Mapping[str, tuple[object, int, int]], free: int
) -> None:
    assert available_bytes(linux(tmp_path, own, groups)) == free


def test_where_there_are_no_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) == MACHINE


def test_the_processor_has_no_more_room_than_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 12345)
    assert memory.free_bytes("cpu") == 12345

"""How long a process takes, and how much memory it and everything it starts need."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from verisim import LARGE_PAGES

Answer = TypeVar("Answer")

INTERVAL_SECONDS = 0.02
"""Between two looks at the memory."""

PAUSE = 50
"""Between two looks at least so many times what one takes: watching costs 2 % of a processor."""

KIND_OF_MEMORY = "PSS" if psutil.LINUX else "RSS"
"""PSS counts a page that n processes share as one n-th for each; only Linux tells it."""


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Args:
        seconds: Wall time from start to end.
        cpu_seconds: Processor time of the process and its children; it hardly depends on what
            else the machine does.
        peak_mb: Most memory at one moment, all processes together; nan when nobody watched.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float = nan


@dataclass
class Memory:
    """Memory of a process and all its children, watched from a thread.

    Args:
        process: The oldest.
        peak_mb: The highest sum so far.
    """

    process: psutil.Process
    peak_mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look every 20 ms until stopped, or less often where a look takes long: those who use
        all processors must not be slowed down by it more than those who leave some idle."""
        while not self._stop.is_set():
            started = time.perf_counter()
            self.peak_mb = max(self.peak_mb, tree_mb(self.process))
            took = time.perf_counter() - started
            self._stop.wait(max(INTERVAL_SECONDS, PAUSE * took))

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()


def tree_mb(process: psutil.Process) -> float:
    """Memory of a process and all its children now, MB; those that just ended count nothing."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(_memory_mb(member) for member in family)


def _memory_mb(process: psutil.Process) -> float:
    try:
        if psutil.LINUX:
            return float(process.memory_full_info().pss) / 2**20
        return float(process.memory_info().rss) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # it ended, or is just about to
        return 0.0


def measured(command: Sequence[object], log: Path, watched: bool = False) -> Run:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        log: Receives what it prints.
        watched: Whether to watch its memory, which costs it some time.

    Raises:
        SystemExit: It failed; the message ends with what it printed last.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with log.open("wb") as lines:
        words = [str(word) for word in command]
        process = subprocess.Popen(words, stdout=lines, stderr=subprocess.STDOUT, env=_plain())
    peak_mb = _ended(process, watched)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed:\n{log.read_text(errors='replace')[-3000:]}")
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, cpu_seconds, peak_mb)


def _plain() -> dict[str, str]:
    """The environment as it was before Verisim was loaded here: each program sets its own."""
    return {name: value for name, value in os.environ.items() if name != LARGE_PAGES}


def timed(work: Callable[[], Answer]) -> tuple[Answer, Run]:
    """Do work in this process."""
    cpu, started = time.process_time(), time.perf_counter()
    answer = work()
    return answer, Run(time.perf_counter() - started, time.process_time() - cpu)


def keep_to(threads: int) -> None:
    """Give this process and all that it starts as many threads, and no more processors.

    nnU-Net sets torch's threads itself, to the smaller of the machine's processors and a variable
    of its own. Without bound processors the side that starts more processes would compute with
    more than its threads. The least busy processors are taken.
    """
    os.environ.update({"OMP_NUM_THREADS": str(threads), "nnUNet_def_n_proc": str(threads)})
    torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity") and threads < processors():
        busy = psutil.cpu_percent(interval=1, percpu=True)
        free = sorted(os.sched_getaffinity(0), key=lambda number: float(busy[number]))
        os.sched_setaffinity(0, free[:threads])


def processors() -> int:
    """How many processors this process may use."""
    return len(psutil.Process().cpu_affinity()) if psutil.LINUX else os.cpu_count() or 1


def _ended(process: subprocess.Popen[bytes], watched: bool) -> float:
    """Wait for a process; the peak of its memory if wanted."""
    if not watched:
        process.wait()
        return nan
    memory = Memory(psutil.Process(process.pid))
    watcher = threading.Thread(target=memory.watch)
    watcher.start()
    try:
        process.wait()
    finally:
        memory.stop()
        watcher.join()
    return memory.peak_mb

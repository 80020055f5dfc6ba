"""A server under load: answers to others during an inference, ten at once, memory after fifty.

    python benchmarks/server_load.py

While a large volume is segmented (at least 5 s), `/info/` is asked again and again; then ten
clients ask at once; then fifty requests follow each other. A second thread watches the memory.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from monailabel.client import MONAILabelClient
from rich.console import Console
from rich.table import Table

from verisim.files import read, write
from verisim.serving import Service, free_port, prepare_app, running
from verisim.volume import Volume

SAMPLE = Path(__file__).parents[1] / "sample-data" / "studies" / "synthetic_001.nii.gz"
MODEL = "hippocampus-unet"
LONG_SECONDS = 5.0


@dataclass
class Memory:
    """Resident memory of a process, watched from a thread.

    Args:
        process: The server.
        peak_mb: The highest value since the last reset.
    """

    process: psutil.Process
    peak_mb: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def now_mb(self) -> float:
        """Resident memory at this moment."""
        return float(self.process.memory_info().rss) / 2**20

    def watch(self) -> None:
        """Look every 20 ms until stopped."""
        while not self._stop.wait(0.02):
            self.peak_mb = max(self.peak_mb, self.now_mb())

    def reset(self) -> float:
        """Start a new peak, and return the old one."""
        peak, self.peak_mb = self.peak_mb, 0.0
        return peak

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()


def main() -> None:
    """Start a server, load it, print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        studies = _studies(folder)
        service = Service(
            str(studies), prepare_app(folder / "app"), folder / "models", port=free_port()
        )
        with running(service, folder / "server.log") as process:
            memory = Memory(process)
            watcher = threading.Thread(target=memory.watch)
            watcher.start()
            try:
                _load(service.url, folder, memory, arguments.requests)
            finally:
                memory.stop()
                watcher.join()


def _load(url: str, folder: Path, memory: Memory, requests: int) -> None:
    table = Table("what", "seen")
    ask(url, "case", folder)  # loads the network
    seconds, waits = _during_a_long_one(url, folder)
    table.add_row("seconds of the long inference", f"{seconds:.1f}")
    worst = max(waits) * 1000
    median = float(np.median(waits)) * 1000
    table.add_row(
        f"/info/ meanwhile, {len(waits)} times", f"median {median:.0f} ms, worst {worst:.0f} ms"
    )
    started = time.perf_counter()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ask(url, "case", folder), range(10)))
    table.add_row(
        "10 at once", f"{sum(answers)} answered in {time.perf_counter() - started:.1f} s"
    )
    memory.reset()
    for _ in range(10):
        ask(url, "case", folder)
    before, before_peak = memory.now_mb(), memory.reset()
    for _ in range(requests):
        ask(url, "case", folder)
    after, after_peak = memory.now_mb(), memory.reset()
    table.add_row("resident memory before", f"{before:.0f} MB, peak {before_peak:.0f} MB")
    table.add_row(f"after {requests} requests", f"{after:.0f} MB, peak {after_peak:.0f} MB")
    Console().print(table)


def _during_a_long_one(url: str, folder: Path) -> tuple[float, Sequence[float]]:
    """Seconds of the long inference, and of each answer to `/info/` meanwhile."""
    waits = []
    with ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        long: Future[bool] = pool.submit(ask, url, "large", folder)
        client = MONAILabelClient(url)
        while not long.done():
            asked = time.perf_counter()
            client.info()
            waits.append(time.perf_counter() - asked)
            time.sleep(0.1)
        long.result()
        seconds = time.perf_counter() - started
    if seconds < LONG_SECONDS:
        raise SystemExit(f"The long inference took {seconds:.1f} s only: enlarge the volume.")
    return seconds, waits


def ask(url: str, case: str, folder: Path) -> bool:
    """Segment a case, and say whether a mask came back."""
    file, _ = MONAILabelClient(url, tmpdir=str(folder)).infer(
        MODEL, case, params={"result_extension": ".nii.gz"}
    )
    found = Path(file).stat().st_size > 0
    Path(file).unlink()
    return found


def _studies(folder: Path) -> Path:
    """A sample volume, and a large one made of many of it."""
    studies = folder / "studies"
    studies.mkdir()
    shutil.copy(SAMPLE, studies / "case.nii.gz")
    sample = read(SAMPLE)
    write(studies / "large.nii.gz", Volume(np.tile(sample.array, (5, 4, 5)), sample.affine))
    return studies


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    main()

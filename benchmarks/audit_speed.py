"""How fast every correlation is known exactly, against the processor's own rate and other ways.

    python benchmarks/audit_speed.py [--queries 2000] [--training 20000] [--side 240]
        [--grain 0.3] [--fp32] [--device cuda] [--work FOLDER] [--curve PICTURE.png]

The engine runs in a process of its own that only maps the images, so that its memory is known.
Each time is the faster of two; beside it stands the processor time of all threads, which depends
less on what else the machine does.
faiss is compared where it is installed (`pip install faiss-cpu`, MIT; nothing else needs it).
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from types import ModuleType
from typing import TypeVar

import numpy as np
import torch

from audit_curve import draw_curve
from audit_images import Sizes, make_images, mapped
from verisim.audit.engine import Engine, Nearest
from verisim.audit.prepared import Prepared

PEAK_SHAPES = ((1024, 1024, 1024), (2048, 2048, 2048), (2048, 4096, 1024))
PEAK_SHAPES_ELSEWHERE = ((8192, 8192, 8192),)
"""Of products by which the machine's own rate is measured: the best of these."""

PEAK_SECONDS = 1.0
"""As long each is repeated."""

PAIRS = 300
LEAST = 0.9
"""A copy is at least so correlated: below it the exact nearest is of no interest."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Took:
    """How long something took, on the clock and of the processor."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.processor:.2f} s of the processor)"


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--queries", type=int, default=2000)
    words.add_argument("--training", type=int, default=20000)
    words.add_argument("--side", type=int, default=240)
    words.add_argument("--grain", type=float, default=0.3, help="of each image's own noise")
    words.add_argument("--device", default="cpu")
    words.add_argument("--fp32", action="store_true", help="time single precision, too")
    words.add_argument("--work", type=Path, help="folder for the mapped images")
    words.add_argument("--curve", type=Path, help="a picture .png of cost against N and M")
    words.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    asked = words.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    sizes = Sizes(asked.queries, asked.training, asked.side)
    if asked.alone:
        engine_alone(asked.alone, sizes, asked.device, fp32=asked.fp32)
        return
    with tempfile.TemporaryDirectory(dir=asked.work) as name:
        folder = Path(name)
        make_images(folder, sizes, asked.grain)
        plain = in_a_process(folder, sizes, asked.device, fp32=asked.fp32)
        compare_others(*mapped(folder), plain)
        if asked.curve:
            draw_curve(asked.curve, *mapped(folder), asked.device)


def in_a_process(folder: Path, sizes: Sizes, device: str, *, fp32: bool) -> float:
    """Time the engine there; the seconds without pruning."""
    words = [f"--queries={sizes.queries}", f"--training={sizes.training}", f"--side={sizes.side}"]
    words += ["--fp32"] if fp32 else []
    command = [sys.executable, __file__, f"--alone={folder}", f"--device={device}", *words]
    subprocess.run(command, check=True)
    return float((folder / "plain.txt").read_text())


def engine_alone(folder: Path, sizes: Sizes, device: str, *, fp32: bool) -> None:
    """Time the engine, and print it."""
    training, queries = mapped(folder)
    print(f"{torch.get_num_threads()} thread(s), {sizes}, {device}")
    found, plain = every_product(training, queries, sizes, device)
    took, engine = timed(lambda: Engine(Prepared.of(training, device)))
    print(f"prepared, with block averages: {took}")
    pruned(engine, queries, found, plain, LEAST)
    pruned(engine, queries, found, plain, -1.0)
    print(f"peak memory of the engine's process: {peak_memory():.2f} GB")
    (folder / "plain.txt").write_text(str(plain.seconds))
    if fp32:
        every_product(training, queries, sizes, device, "fp32")


def every_product(
    training: np.ndarray,
    queries: np.ndarray,
    sizes: Sizes,
    device: str,
    precision: str = "bf16",
) -> tuple[Nearest, Took]:
    """Without pruning."""
    before = peak_rate(precision, device)
    prepare, engine = timed(lambda: Engine(Prepared.of(training, device, precision, pruned=False)))
    took, found = best_of_two(lambda: engine(queries))
    after = peak_rate(precision, device)
    peak = [max(one, other) for one, other in zip(before, after, strict=True)]
    shares = [
        100 * sizes.operations / own / rate
        for own, rate in zip((took.seconds, took.processor), peak, strict=True)
    ]
    print(f"{precision}: the machine's own rate {peak[0] / 1e9:.0f} GFLOP/s; prepared: {prepare}")
    print(
        f"{precision}, every product: {took}: {shares[0]:.0f} % of that rate "
        f"({shares[1]:.0f} % by processor time); {100 * (found.computed - 1):.3f} % computed again"
    )
    return found, took


def pruned(
    engine: Engine, queries: np.ndarray, expected: Nearest, plain: Took, least: float
) -> None:
    """What is of interest, pruned."""
    took, found = best_of_two(lambda: engine(queries, least=least))
    hits = expected.scores[:, 0] >= least
    same = np.array_equal(found.rows[hits], expected.rows[hits])
    print(
        f"bf16, pruned, {hits.sum()} nearest above {least}: {took}: "
        f"{plain.seconds / took.seconds:.1f}× less ({plain.processor / took.processor:.1f}× by "
        f"processor time); {100 * found.computed:.2f} % of pairs computed; the same: {same}"
    )


def compare_others(training: np.ndarray, queries: np.ndarray, plain: float) -> None:
    """The same by numpy and by faiss."""
    a, b = np.array(queries[0]).ravel(), np.array(training[0]).ravel()
    pair = timed(lambda: [np.corrcoef(a, b) for _ in range(PAIRS)])[0].seconds / PAIRS
    whole = pair * len(queries) * len(training)
    print(f"numpy.corrcoef pair by pair: {whole / 3600:.2f} h, {whole / plain:.0f}× as long")
    faiss = _faiss()
    if faiss is None:
        print("faiss is not installed: pip install faiss-cpu, to compare with IndexFlatIP")
        return
    faiss.omp_set_num_threads(torch.get_num_threads())
    part = max(1, len(training) // 4)  # it is fp32 and holds all images in memory
    rows = training[:part].reshape(part, -1)
    rows = rows - rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    del rows
    asked = np.ascontiguousarray(queries.reshape(len(queries), -1))
    took, _ = timed(lambda: index.search(asked, 1))
    whole = took.seconds * len(training) / part
    print(
        f"faiss.IndexFlatIP {faiss.__version__}: {whole:.1f} s (from a quarter of the training "
        f"images), {whole / plain:.1f}× as long"
    )


def peak_rate(precision: str, device: str) -> tuple[float, float]:
    """Operations a second of large products, on the clock and of the processor."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    found = []
    for rows, inner, columns in PEAK_SHAPES if device == "cpu" else PEAK_SHAPES_ELSEWHERE:
        a = torch.randn(rows, inner, device=device).to(kind)
        b = torch.randn(columns, inner, device=device).to(kind)
        float((a @ b.T)[0, 0])
        count, took = 0, Took(0.0, 0.0)
        while took.seconds < PEAK_SECONDS:
            one, _ = timed(lambda a=a, b=b: float((a @ b.T)[0, 0]))
            took = Took(took.seconds + one.seconds, took.processor + one.processor)
            count += 1
        operations = 2.0 * rows * inner * columns * count
        found.append((operations / took.seconds, operations / took.processor))
    return max(rate for rate, _ in found), max(rate for _, rate in found)


def peak_memory() -> float:
    """Of this process, in GB; `getrusage` would count that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    highest = re.search(r"VmHWM:\s*(\d+) kB", status)
    return float("nan") if highest is None else int(highest[1]) / 1e6


def best_of_two(work: Callable[[], Result]) -> tuple[Took, Result]:
    """The faster of two times: the first time all memory is new."""
    first, _ = timed(work)
    second, result = timed(work)
    return min(first, second, key=lambda took: took.seconds), result


def timed(work: Callable[[], Result]) -> tuple[Took, Result]:
    """How long it took, and what came of it."""
    clock, processor = perf_counter(), process_time()
    result = work()
    return Took(perf_counter() - clock, process_time() - processor), result


def _faiss() -> ModuleType | None:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None


if __name__ == "__main__":
    main()

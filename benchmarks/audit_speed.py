"""How fast every correlation is known exactly, against the processor's own rate and other ways.

    python benchmarks/audit_speed.py [--queries 2000] [--training 20000] [--side 240] [--curve]

Images are made of smooth patterns that many share, as patients share anatomy, plus texture of
their own; every 20th query is a noisy copy. They lie in a file that is mapped, as large sets are.
faiss is compared where it is installed (`pip install faiss-cpu`, MIT).
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import TypeVar

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.lib.format import open_memmap
from scipy import ndimage

from verisim.audit.engine import Engine

PEAK_SHAPE = (2000, 57600, 580)
"""Of the product by which the processor's own rate is measured: a block of the engine."""

PAIRS = 300
PATTERNS = 40
LEAST = 0.9
"""A copy is at least so correlated: below it the exact nearest is of no interest."""

POINTS = (0.25, 0.5, 1.0)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sizes:
    """How much is compared."""

    queries: int
    training: int
    side: int

    @property
    def numbers(self) -> int:
        """Of an image."""
        return self.side**2

    @property
    def operations(self) -> float:
        """Of all products."""
        return 2.0 * self.queries * self.training * self.numbers


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--queries", type=int, default=2000)
    words.add_argument("--training", type=int, default=20000)
    words.add_argument("--side", type=int, default=240)
    words.add_argument("--device", default="cpu")
    words.add_argument("--work", type=Path, help="folder for the mapped images")
    words.add_argument("--curve", type=Path, help="a picture .png of cost against N and M")
    asked = words.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    sizes = Sizes(asked.queries, asked.training, asked.side)
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        training, queries = make_images(Path(folder), sizes)
        report(training, queries, sizes, asked.device)
        if asked.curve:
            draw_curve(asked.curve, training, queries, asked.device)


def report(training: np.ndarray, queries: np.ndarray, sizes: Sizes, device: str) -> None:
    """Time each way, and print it."""
    for precision in ("bf16", "fp32"):
        peak = peak_rate(precision, device)
        print(f"{precision}: own rate of the machine {peak / 1e9:.0f} GFLOP/s")
        if precision == "fp32" and sizes.operations / peak > 600:
            print("fp32: left out, it would take too long")
            continue
        engine = Engine.of(training, device, precision, pruned=False)
        seconds, nearest = timed(lambda engine=engine: engine(queries))
        rate = sizes.operations / seconds
        print(f"{precision}, every product: {seconds:.1f} s, {100 * rate / peak:.0f} % of it")
        if precision == "bf16":
            plain, found = seconds, nearest
    prepare, engine = timed(lambda: Engine.of(training, device))
    pruned, copies = timed(lambda: engine(queries, least=LEAST))
    hits = found.scores[:, 0] >= LEAST
    same = np.array_equal(copies.rows[hits, 0], found.rows[hits, 0])
    print(
        f"bf16, pruned, copies above {LEAST}: {pruned:.1f} s after {prepare:.1f} s to prepare, "
        f"{plain / pruned:.1f}× less; {100 * copies.computed:.2f} % of pairs computed; "
        f"{hits.sum()} copies, the same: {same}"
    )
    nearest_seconds, all_nearest = timed(lambda: engine(queries))
    print(
        f"bf16, pruned, every nearest: {nearest_seconds:.1f} s, {plain / nearest_seconds:.1f}× "
        f"less; {100 * all_nearest.computed:.0f} % of pairs computed; "
        f"the same: {np.array_equal(all_nearest.rows, found.rows)}"
    )
    peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory of the process so far: {peak_memory:.2f} GB")
    pair = pair_seconds(training, queries)
    whole = pair * sizes.queries * sizes.training
    print(f"numpy.corrcoef pair by pair: {whole / 3600:.1f} h, {whole / plain:.0f}× as long")
    compare_faiss(training, queries, plain)


def compare_faiss(training: np.ndarray, queries: np.ndarray, plain: float) -> None:
    """The same by faiss, which is fp32 and holds all images in memory."""
    faiss = _faiss()
    if faiss is None:
        print("faiss is not installed: pip install faiss-cpu, to compare with IndexFlatIP")
        return
    faiss.omp_set_num_threads(torch.get_num_threads())
    part = max(1, len(training) // 4)  # all at once would not fit beside the rest
    rows = training[:part].reshape(part, -1)
    rows = rows - rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    asked = queries.reshape(len(queries), -1)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    seconds, _ = timed(lambda: index.search(np.ascontiguousarray(asked), 1))
    whole = seconds * len(training) / part
    print(f"faiss.IndexFlatIP: {whole:.1f} s (from a quarter), {whole / plain:.1f}× as long")


def make_images(folder: Path, sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Mapped training images (N, 1, X, Y, 1) and queries."""
    draw = np.random.default_rng(0)
    shape = (sizes.side, sizes.side)
    patterns = np.stack(
        [
            ndimage.gaussian_filter(draw.standard_normal(shape), sizes.side / 20)
            for _ in range(PATTERNS)
        ]
    )
    patterns /= patterns.std(axis=(1, 2), keepdims=True)
    flat = patterns.reshape(PATTERNS, -1).astype(np.float32)
    training = open_memmap(
        folder / "training.npy", "w+", np.float32, (sizes.training, 1, *shape, 1)
    )
    for start in range(0, sizes.training, 500):
        count = min(500, sizes.training - start)
        training[start : start + count] = _mixed(flat, count, draw).reshape(count, 1, *shape, 1)
    training.flush()
    queries = _mixed(flat, sizes.queries, draw).reshape(sizes.queries, 1, *shape, 1)
    for k in range(0, sizes.queries, 20):
        grain = draw.standard_normal((1, *shape, 1), dtype=np.float32)
        queries[k] = training[draw.integers(sizes.training)] + 0.3 * grain
    return np.load(folder / "training.npy", mmap_mode="r"), queries


def _mixed(flat: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    shares = draw.standard_normal((count, len(flat)), dtype=np.float32)
    shares[:, 0] = 6  # what all have in common
    shares /= np.linalg.norm(shares, axis=1, keepdims=True)
    images = shares @ flat
    images += 0.3 * draw.standard_normal(images.shape, dtype=np.float32)
    return images


def peak_rate(precision: str, device: str) -> float:
    """Operations a second of one large product."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    rows, inner, columns = PEAK_SHAPE
    a = torch.randn(rows, inner, device=device).to(kind)
    b = torch.randn(columns, inner, device=device).to(kind)
    a @ b.T
    best = min(timed(lambda: (a @ b.T)[0, 0].item())[0] for _ in range(3))
    return 2.0 * rows * inner * columns / best


def pair_seconds(training: np.ndarray, queries: np.ndarray) -> float:
    """Of `numpy.corrcoef` for one pair."""
    a, b = queries[0].ravel(), np.array(training[0]).ravel()
    return timed(lambda: [np.corrcoef(a, b) for _ in range(PAIRS)])[0] / PAIRS


def draw_curve(path: Path, training: np.ndarray, queries: np.ndarray, device: str) -> None:
    """Cost against the number of training images and of queries."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    engine = Engine.of(training, device, pruned=False)
    for panel, name in zip(panels, ("training images", "queries"), strict=True):
        places, seconds = [], []
        for share in POINTS:
            if name == "queries":
                some, used = queries[: int(share * len(queries))], engine
            else:
                part = training[: int(share * len(training))]
                some, used = queries, Engine.of(part, device, pruned=False)
            places.append(int(share * len(queries if name == "queries" else training)))
            seconds.append(timed(lambda some=some, used=used: used(some))[0])
        panel.plot(places, seconds, "o-")
        panel.set_xlabel(name)
        panel.set_ylabel("seconds")
        panel.set_ylim(0)
    figure.savefig(path, dpi=120)


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds and what came of it."""
    started = perf_counter()
    result = work()
    return perf_counter() - started, result


def _faiss() -> ModuleType | None:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None


if __name__ == "__main__":
    main()

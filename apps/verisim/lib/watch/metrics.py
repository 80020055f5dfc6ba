"""Figures for Prometheus; no label of theirs holds what a client chose freely.

Whoever runs jobs calls `job_ended` and `queue_length`; the rest is counted around the requests.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from verisim.errors import Cancelled

OTHER = "other"
"""Stands for every label value that is not known: labels must stay few, and tell of nobody."""

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
MOST_VALUES = 100
JOB_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)


class _Few:
    """Lets the first values of a label through, as long as they are words; then says OTHER."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        if not WORD.fullmatch(value):
            return OTHER
        with self._lock:
            if value not in self._seen and len(self._seen) >= self._most:
                return OTHER
            self._seen.add(value)
        return value


class _DeviceMemory(Collector):
    """Measured when somebody asks; asking starts no graphics card that is not in use."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "verisim_device_memory_bytes", "Memory that the server holds.", labels=["device"]
        )
        family.add_metric(["cpu"], psutil.Process().memory_info().rss)
        for k in range(torch.cuda.device_count()):
            family.add_metric([f"cuda:{k}"], torch.cuda.memory_reserved(k))
        yield family


REGISTRY = CollectorRegistry()
REGISTRY.register(_DeviceMemory())
_queue_length = Gauge(
    "verisim_queue_length", "Work that waits for a device.", ["device"], registry=REGISTRY
)
_job_seconds = Histogram(
    "verisim_job_seconds",
    "Wall time of a job, from its start to its end.",
    ["kind", "model"],
    buckets=JOB_BUCKETS,
    registry=REGISTRY,
)
_jobs = Counter("verisim_jobs", "Jobs that have ended.", ["kind", "state"], registry=REGISTRY)
_errors = Counter("verisim_errors", "Errors told to clients.", ["code"], registry=REGISTRY)
_requests = Counter(
    "verisim_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY
)
_request_seconds = Histogram(
    "verisim_request_seconds",
    "Wall time of a request.",
    ["method", "route"],
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 3, 10, 30, 120, 600),
    registry=REGISTRY,
)
_few = {name: _Few() for name in ("device", "kind", "model", "state", "code")}


def queue_length(device: str, n: int) -> None:
    """Tell how much work waits for a device.

    Args:
        device: `cpu`, `cuda:0`, …
    """
    _queue_length.labels(_few["device"](device)).set(n)


def job_ended(kind: str, model: str, state: str, seconds: float) -> None:
    """Count a job that has ended.

    Args:
        kind: What it did: `segment`, `train`, …
        model: Name of a model that the server has, never a text as a client sent it.
        state: How it ended: `done`, `failed`, `cancelled`, …
        seconds: Wall time from its start to its end.
    """
    kind = _few["kind"](kind)
    _jobs.labels(kind, _few["state"](state)).inc()
    _job_seconds.labels(kind, _few["model"](model)).observe(seconds)


@contextmanager
def counted(kind: str, model: str) -> Iterator[None]:
    """Count what happens in a block as a job: done, cancelled, or failed with an error."""
    start, state = time.monotonic(), "failed"
    try:
        yield
        state = "done"
    except Cancelled:
        state = "cancelled"
        raise
    finally:
        job_ended(kind, model, state, time.monotonic() - start)


def error(code: str) -> None:
    """Count an error by the code that the client was told."""
    _errors.labels(_few["code"](code)).inc()


def request_ended(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request.

    Args:
        route: The template with its braces, never the address itself.
    """
    method = method if method in METHODS else OTHER
    _requests.labels(method, route, str(status)).inc()
    _request_seconds.labels(method, route).observe(seconds)


def exposition() -> bytes:
    """All figures in Prometheus' text format."""
    return generate_latest(REGISTRY)

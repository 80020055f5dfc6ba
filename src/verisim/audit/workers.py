"""Where blocks of cases are compared: here, in processes, or on the machines of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from verisim.errors import Unavailable
from verisim.jobs.dask import dask

PATIENCE = "10s"
"""How long a scheduler may take to answer."""


@contextmanager
def comparing_on(workers: int = 1, scheduler: str = "") -> Iterator[Executor | None]:
    """An executor while the block runs; none where one process is enough.

    Args:
        workers: Processes of this machine.
        scheduler: Address of a Dask scheduler, instead.

    Raises:
        Unavailable: Nobody answers there, or Dask is not installed.
    """
    if scheduler:
        with _client(scheduler) as executor:
            yield executor
    elif workers > 1:
        # a process that torch has used threads in must not be forked
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
            yield executor
    else:
        yield None


@contextmanager
def _client(scheduler: str) -> Iterator[Executor]:
    distributed = dask()
    try:
        client = distributed.Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"No scheduler answers at {scheduler}: {error}.", "Start it, or correct the address."
        ) from error
    with client:
        yield client.get_executor()

"""Batches made ahead of time by other processes, so that a graphics card never waits for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator

import torch
from torch.utils.data import DataLoader, Dataset

from verisim.training.batches import Batch

MOST_WORKERS = 12
"""Processes beside a graphics card, as many as nnU-Net starts at most."""


def workers_for(device: torch.device | str) -> int:
    """How many processes make batches: none where the processor itself computes the network."""
    if torch.device(device).type == "cpu":
        return 0
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) - 1))


def batches_ahead(
    batches: Callable[[int], Batch], first: int, last: int, workers: int
) -> Generator[Batch]:
    """The batches `first` to `last` - 1 in their order, the same whoever makes them.

    Args:
        batches: Gives batch number k.
        first: Number of the first batch.
        last: One more than the number of the last.
        workers: Processes that make them; with 0 each is made when it is asked for.
    """
    if not workers:
        yield from map(batches, range(first, last))
        return
    numbers = range(first, last)
    yield from DataLoader(_Numbered(batches), None, sampler=numbers, num_workers=workers)


class _Numbered(Dataset[Batch]):
    """Batches by their number, as torch wants to ask for them."""

    def __init__(self, batches: Callable[[int], Batch]) -> None:
        self._batches = batches

    def __getitem__(self, number: int) -> Batch:
        return self._batches(number)

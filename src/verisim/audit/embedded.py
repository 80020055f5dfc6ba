"""Cases compared by a network that others have trained, from weights on this machine's disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from verisim.audit.collection import Collection
from verisim.audit.likeness import most_alike
from verisim.audit.measure import Matches
from verisim.errors import BadInput
from verisim.progress import SILENT, Progress

PLACES = (0.25, 0.5, 0.75)
"""Where a volume is cut across each axis, as shares of its length."""

DARKEST, BRIGHTEST = 0.5, 99.5
"""Percentiles of a channel that become black and white."""

Network = Callable[[Tensor], Tensor]
"""Pictures (B, 3, S, S) from 0 to 1 to embeddings (B, D)."""


class Backend(Protocol):
    """A network whose weights lie on this machine; its `repr` names the weights by checksum."""

    @property
    def name(self) -> str:
        """One word, for tables."""

    @property
    def sha256(self) -> str:
        """Of the weights."""

    @property
    def side(self) -> int:
        """Of its pictures, in pixels."""

    def network(self, device: str) -> Network:
        """Read the weights, which must be those of the checksum."""

    def __hash__(self) -> int:
        """The same for the same weights, so that they are read once."""


@dataclass(frozen=True)
class Embedded:
    """Cosine of embeddings by a network that knows photographs, slice by slice.

    A volume is cut at a quarter, the middle and three quarters of each axis: nine slices. Its
    likeness to another is the mean cosine of the slices at the same places. A single slice would
    hang on where it was cut, and two strangers may be alike in one; a copy is alike in all.

    Args:
        backend: The network.
        device: Where to compute.
    """

    backend: Backend
    device: str = "cpu"

    @property
    def name(self) -> str:
        """For tables."""
        return self.backend.name

    def prepared(self, training: Collection, progress: Progress = SILENT) -> EmbeddedIndex:
        """See `Measure`."""
        points = embedded(self.backend, training, self.device, progress)
        return EmbeddedIndex(self.backend, points, training.patients, self.device)


@dataclass(frozen=True, eq=False)
class EmbeddedIndex:
    """Embeddings of training cases, see `Index`. On another machine the weights are read there.

    Args:
        backend: Embeds queries.
        points: Of the training cases, (N, D).
        patients: Whose they are.
        device: Where to compute.
    """

    backend: Backend
    points: Tensor
    patients: tuple[str, ...]
    device: str = "cpu"

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        own = embedded(self.backend, queries, self.device, progress)
        return most_alike(self.backend.name, own, self.points, self.patients, not_of)


def embedded(
    backend: Backend, cases: Collection, device: str = "cpu", progress: Progress = SILENT
) -> Tensor:
    """Cases as points (N, D) of norm 1, whose products are the mean cosine over slices."""
    network = _network(backend, device)
    points = []
    for k in range(len(cases)):
        progress.advance(k, len(cases), backend.name)
        # case by case: so that a sum is rounded alike however many are asked at once
        pictures = pictures_of(np.asarray(cases.images[k]), backend.side)
        with torch.inference_mode():
            found = functional.normalize(network(pictures.to(device)).float(), dim=1)
        points.append(found.flatten() / math.sqrt(len(found)))
    return torch.stack(points)


def pictures_of(image: npt.NDArray[np.float32], side: int) -> Tensor:
    """Slices of a case (C, X, Y, Z) as square pictures (B, 3, S, S) from 0 to 1.

    Channels, each from black to white, become one grey. Pictures are pressed into squares, not
    cut, as SSCD wants it (Pizzi 2022).
    """
    low, high = np.percentile(image, (DARKEST, BRIGHTEST), axis=(1, 2, 3), keepdims=True)
    shares = (image - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    grey = torch.from_numpy(shares.clip(0, 1).mean(0)).float()
    squares = [
        functional.interpolate(
            part[None, None], (side, side), mode="bilinear", antialias=True, align_corners=False
        )
        for part in _slices(grey)
    ]
    return torch.cat(squares).expand(-1, 3, -1, -1)


def _slices(grey: Tensor) -> Iterator[Tensor]:
    """Of a volume (X, Y, Z) across every axis; of a slice, itself."""
    for axis, count in enumerate(grey.shape):
        if min(n for k, n in enumerate(grey.shape) if k != axis) > 1:
            yield from (grey.select(axis, k) for k in sorted({int(p * count) for p in PLACES}))


@lru_cache(maxsize=2)
def _network(backend: Backend, device: str) -> Network:
    """Read once, for all blocks of cases."""
    return backend.network(device)


def check_embeds(network: Network, side: int, where: str, remedy: str) -> None:
    """Try a network on two pictures.

    Args:
        network: Which.
        side: Of its pictures.
        where: Its weights lie.
        remedy: Where to find such as would do.

    Raises:
        BadInput: It takes no such pictures, or gives no embedding of each.
    """
    pictures = torch.linspace(0, 1, 2 * 3 * side * side).view(2, 3, side, side)
    try:
        with torch.inference_mode():
            found, again = network(pictures), network(pictures)
    except (RuntimeError, torch.jit.Error) as error:
        raise BadInput(
            f"The network of {where} takes no pictures of {side} × {side}: {_last_line(error)}",
            remedy,
        ) from error
    shape = tuple(getattr(found, "shape", ()))
    if len(shape) != 2 or shape[0] != 2 or shape[1] < 2:
        raise BadInput(
            f"The network of {where} gives {shape or type(found).__name__} for two pictures, not "
            "a row of numbers for each.",
            remedy,
        )
    if not bool(torch.isfinite(found).all()):
        raise BadInput(f"The network of {where} gives numbers that are none.", remedy)
    if not torch.equal(found, again):
        raise BadInput(f"The network of {where} answers by chance.", "Save it for inference.")


def first_line(error: Exception) -> str:
    """What an error of another program says, without where it was."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _last_line(error: Exception) -> str:
    """Where TorchScript says what is wrong, after saying where."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]

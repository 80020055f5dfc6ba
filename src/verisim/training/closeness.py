"""How close cases that a StyleGAN makes are to real ones, to choose the best weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from verisim.precision import reduced_precision
from verisim.training.batches import Batch
from verisim.training.competing import Adversaries, real_cases

DIRECTIONS = 512
"""Random ones along which cases are compared."""

SCALES = (2, 4)
"""Voxels of the blocks whose means are compared: what is finer differs by chance."""


def closeness(
    network: Adversaries, batches: Callable[[int], Batch], count: int, seed: int
) -> float:
    """Minus the sliced Wasserstein distance to real cases (Rabin 2011), over two scales.

    Args:
        network: Both networks; the generator is asked.
        batches: Gives batch number k of real cases.
        count: Batches to compare with.
        seed: Of latent vectors and directions: always the same.
    """
    device = network.get_buffer("probability").device
    generator = torch.Generator(device).manual_seed(seed)
    real, made = [], []
    with torch.inference_mode(), reduced_precision(device):
        for k in range(count):
            truth, inside = real_cases(batches(k), network.generator.classes, device)
            real.append(_blocks(truth))
            made.append(_blocks(network.made(inside, generator).float()))
    both = torch.cat(real), torch.cat(made)
    directions = torch.randn(both[0].shape[1], DIRECTIONS, generator=generator, device=device)
    directions = directions / directions.norm(dim=0)
    sorted_real, sorted_made = ((one @ directions).sort(dim=0)[0] for one in both)
    return -float((sorted_real - sorted_made).abs().mean())


def _blocks(case: Tensor) -> Tensor:
    """Means over blocks at all scales, (B, D)."""
    found = []
    for scale in SCALES:
        step = tuple(min(scale, side) for side in case.shape[2:])
        found.append(functional.avg_pool3d(case[:, :-1], step).flatten(1))
    return torch.cat(found, dim=1)

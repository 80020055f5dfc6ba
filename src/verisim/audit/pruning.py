"""Block averages: a cheap upper bound on every correlation, so that few need to be computed.

Block averaging, each block sum divided by the square root of its size, is an orthonormal
projection P, for which ⟨a, b⟩ ≤ ⟨Pa, Pb⟩ + ‖a - Pa‖·‖b - Pb‖ (Cauchy and Schwarz on what P leaves
over). A pair whose bound is below what is known already cannot be the nearest: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 4
"""Voxels of a block along each axis: 1/16 of the numbers of a slice, 1/64 of a volume."""

ROUNDING = 2e-5
"""What fp32 sums of a bound may be off by; added, so that no pair is lost to it."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """Rows after block averaging.

    Args:
        averages: Pa, (N, d).
        rests: ‖a - Pa‖, (N,).
    """

    averages: Tensor
    rests: Tensor

    @classmethod
    def of(cls, rows: Tensor, shape: tuple[int, ...]) -> Coarse:
        """Of rows (N, D) that are images (C, X, Y, Z)."""
        images = rows.reshape(len(rows), *shape)
        sides = [min(SIDE, n) for n in shape[1:]]
        pads = [-n % side for n, side in zip(shape[1:], sides, strict=True)]
        # zeros beyond the border change no product
        padded = functional.pad(images, (0, pads[2], 0, pads[1], 0, pads[0]))
        size = sides[0] * sides[1] * sides[2]
        averages = functional.avg_pool3d(padded, sides).flatten(1) * size**0.5
        rest = rows.square().sum(1) - averages.square().sum(1)
        return cls(averages, rest.clamp_min(0).sqrt())

    @classmethod
    def joined(cls, parts: Sequence[Coarse]) -> Coarse:
        """One after the other."""
        averages = torch.cat([part.averages for part in parts])
        return cls(averages, torch.cat([part.rests for part in parts]))

    def bounds(self, others: Coarse) -> Tensor:
        """No product of a row with one of the others is larger, (N, M)."""
        return torch.addmm(
            torch.outer(self.rests, others.rests) + ROUNDING, self.averages, others.averages.T
        )

    def rows(self, chosen: Tensor | slice) -> Coarse:
        """Some of the rows."""
        return Coarse(self.averages[chosen], self.rests[chosen])

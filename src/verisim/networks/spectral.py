"""Attention between spectra: MedSegDiff V2's way to bring image and noisy mask together."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from verisim.networks.fourier import space_of, spectrum_of

HIDDEN = 32
"""Features of the band-pass filter's own small network."""


class SpectralAttention(nn.Module):
    """The mask asks the image, frequency by frequency (Wu 2024, section 3.3: SS-Former).

    Queries are the spectrum of the mask's features, keys and values that of the image's. What
    is answered goes through a band-pass filter that depends on the frequency and on the time
    (NBP-F), back to space, and is added. It begins as nothing, so a network can be given one
    later. Every frequency asks every other: it belongs where there are few, at the coarsest
    stage.

    Args:
        width: Feature maps of either.
        told: Numbers that tell the time.
    """

    def __init__(self, width: int, told: int) -> None:
        super().__init__()
        # real and imaginary parts are told side by side
        self.query, self.key, self.value = (nn.Linear(2 * width, 2 * width) for _ in range(3))
        self.band = nn.Sequential(
            nn.Linear(1 + told, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 1), nn.Sigmoid()
        )
        self.answer = nn.Linear(2 * width, 2 * width)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, mask: Tensor, image: Tensor, told: Tensor) -> Tensor:
        """The mask's features with what the image answers.

        Args:
            mask: (B, C, X, Y, Z).
            image: (B or 1, C, X, Y, Z).
            told: The times, (B, T).
        """
        # transforms are exact enough in single precision only
        with torch.autocast(mask.device.type, enabled=False):
            asking, asked = spectrum_of(mask.float()), spectrum_of(image.float())
            shape = asking.shape[2:]
            queries, known = self.query(_tokens(asking)), _tokens(asked)
            keys, values = self.key(known), self.value(known)
            scores = queries @ keys.transpose(1, 2) / sqrt(queries.shape[-1])
            passed = self._band(shape, told.float())
            answered = self.answer(scores.softmax(dim=-1) @ values * passed)
            real, imaginary = answered.transpose(1, 2).unflatten(2, shape).chunk(2, dim=1)
            spectrum = torch.complex(real.contiguous(), imaginary.contiguous())
            found = space_of(spectrum, mask.shape)
        answer: Tensor = mask + found.to(mask.dtype)
        return answer

    def _band(self, shape: torch.Size, told: Tensor) -> Tensor:
        """How much of each frequency passes at each time, (B, F, 1)."""
        x, y, z = shape
        axes = torch.meshgrid(
            torch.fft.fftfreq(x),
            torch.fft.fftfreq(y),
            torch.arange(z) / max(1, 2 * (z - 1)),
            indexing="ij",
        )
        radius = torch.stack(axes).square().sum(dim=0).sqrt().flatten().to(told)
        spread = radius[None, :, None].expand(len(told), -1, 1)
        times = told[:, None].expand(-1, spread.shape[1], -1)
        passed: Tensor = self.band(torch.cat([spread, times], dim=2))
        return passed


def _tokens(spectrum: Tensor) -> Tensor:
    """(B, C, X, Y, Z) complex to (B, F, 2 C) real."""
    return torch.cat([spectrum.real, spectrum.imag], dim=1).flatten(2).transpose(1, 2)

"""What an autoencoder of images is trained for: to give back what it was shown."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from verisim.errors import BadCard
from verisim.networks.autoencoder import Autoencoder
from verisim.precision import reduced_precision
from verisim.training.batches import Batch
from verisim.training.generating import one_hot

PRESSED = 1e-3
"""Weight of the divergence of a latent number, beside the mean error of a voxel."""


@dataclass(frozen=True)
class Encoding:
    """Absolute error of decoded images, and a little divergence (Rombach 2022, appendix G).

    The divergence KL(N(μ, σ²) | N(0, 1)) keeps the latent numbers small, and some noise in them,
    which the decoder learns to live with: those that diffusion makes are never quite right.

    Args:
        seed: With the number of the step it decides the noise.
    """

    seed: int

    def __call__(self, network: torch.nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        if not isinstance(network, Autoencoder):
            raise BadCard("Only autoencoders learn to encode.", "Train it otherwise.")
        device = network.get_buffer("mean").device
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        image, inside = batch.image.to(device), batch.inside.to(device)
        masks = one_hot(batch.label.to(device), network.classes)
        blocks = network.blocks(inside)
        with reduced_precision(device):
            mean, logs = network.encode(image, inside)
            noise = torch.randn(mean.shape, generator=generator).to(mean)
            drawn = mean + (logs / 2).exp() * noise
            decoded = network.decode(drawn * blocks, masks, inside)
        error = ((decoded.float() - image).abs() * inside).sum() / (inside.sum() * image.shape[1])
        divergence = (mean.square() + logs.exp() - logs - 1) / 2
        mean_divergence = (divergence * blocks).sum() / (blocks.sum() * mean.shape[1])
        return error + PRESSED * mean_divergence

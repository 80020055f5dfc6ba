"""One case out of a latent vector, in one step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from verisim.networks.stylegan import Latents, StyleGenerator
from verisim.networks.unet import Triple
from verisim.precision import reduced_precision
from verisim.progress import SILENT, Progress
from verisim.synthesis.making import Making, Request, placed


@dataclass(frozen=True)
class StyleMaker:
    """A StyleGAN of cases.

    Args:
        network: Its generator.
        latents: How it is asked.
        patch: The largest box.
        exact: Whether in single precision.
    """

    network: StyleGenerator
    latents: Latents
    patch: Triple
    exact: bool = False

    @property
    def takes_labels(self) -> bool:
        """See `Maker`."""
        return False

    def __call__(self, request: Request, progress: Progress = SILENT) -> Making:
        """See `Maker`."""
        generator = torch.Generator().manual_seed(request.seed)
        device = next(self.network.parameters()).device
        place = placed(self.network.box(self.patch, generator), self.patch)
        latent = torch.randn((1, self.network.plan.latent), generator=generator).to(device)
        single = torch.autocast(device.type, enabled=False)
        progress.advance(0, 1, "image")
        with torch.inference_mode(), single if self.exact else reduced_precision(device):
            style = self.network.styles(latent, self.latents.truncation)
            case = self.network(style, generator)[(0, slice(None), *place)]
        progress.advance(1, 1, "image")
        image, masks = case[: self.network.channels], case[self.network.channels :]
        return Making(image, masks.argmax(dim=0), 1)

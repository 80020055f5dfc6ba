"""Changes of what a discriminator sees, as many as keep it from learning cases by heart.

Real and made cases are changed alike, so that the generator need not learn the changes (Karras
2020, "Training generative adversarial networks with limited data").
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor
from torch.nn import functional

MOST_DEGREES, MOST_ZOOM, MOST_SHIFT = 10.0, 0.1, 0.125
"""Turn, zoom, and shift as a share of the side: about what makes another picture of the same."""

BRIGHTNESS, CONTRAST = 0.2, 0.2
"""Standard deviations of what is added to an image, and of ln of what it is multiplied by."""


def changed(
    case: Tensor, channels: int, probability: Tensor, generator: torch.Generator
) -> Tensor:
    """Cases (B, C + K + 1, X, Y, Z), each of the changes made to a share of them.

    Args:
        case: Image, masks of -1 to 1, and 1 inside the box.
        channels: C of the image.
        probability: Of each change, a number.
        generator: On the device of the cases.
    """
    moved = _moved(case, probability, generator)
    image, rest = moved[:, :channels], moved[:, channels:]
    draw = torch.randn((2, len(case), channels, 1, 1, 1), generator=generator, device=case.device)
    chosen = (_draw(2, case, generator) < probability).float()[:, :, None, None, None, None]
    image = image * (CONTRAST * chosen[0] * draw[0]).exp() + BRIGHTNESS * chosen[1] * draw[1]
    inside = rest[:, -1:]
    return torch.cat([image * inside, rest], dim=1)


def _moved(case: Tensor, probability: Tensor, generator: torch.Generator) -> Tensor:
    """Turned, zoomed and shifted."""
    theta = _affine(case, probability, generator)
    grid = functional.affine_grid(theta, list(case.shape), align_corners=False)
    # what is beyond the box is outside of every mask but the background's
    return functional.grid_sample(case, grid, padding_mode="border", align_corners=False)


def _affine(case: Tensor, probability: Tensor, generator: torch.Generator) -> Tensor:
    """Turns, zooms and shifts (B, 3, 4) in torch's coordinates, the last axis first."""
    lengths = [float(n) for n in reversed(case.shape[2:])]
    sides, size = torch.tensor(lengths).to(case.device, non_blocking=True), len(case)
    turned = torch.eye(3, device=case.device).repeat(size, 1, 1)
    for axis in range(3):
        one, other = (k for k in range(3) if k != axis)
        if 1.0 in (lengths[one], lengths[other]):
            continue
        angle = _chance(case, probability, generator) * MOST_DEGREES * pi / 180
        turn = torch.eye(3, device=case.device).repeat(size, 1, 1)
        turn[:, one, one] = turn[:, other, other] = angle.cos()
        turn[:, one, other], turn[:, other, one] = -angle.sin(), angle.sin()
        turned = turn @ turned
    zoom = 1 + MOST_ZOOM * _chance(case, probability, generator)
    scaled = turned * zoom[:, None, None] * sides[None, None] / sides[None, :, None]
    shift = torch.stack([_chance(case, probability, generator) for _ in range(3)], dim=1)
    return torch.cat([scaled, (2 * MOST_SHIFT * shift * (sides > 1))[:, :, None]], dim=2)


def _chance(case: Tensor, probability: Tensor, generator: torch.Generator) -> Tensor:
    """-1 to 1 for a share of the cases, 0 for the others, (B,)."""
    chosen, value = _draw(2, case, generator)
    return torch.where(chosen < probability, 2 * value - 1, torch.zeros_like(value))


def _draw(count: int, case: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand((count, len(case)), generator=generator, device=case.device)

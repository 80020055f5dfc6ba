"""How long a case will take by a generator that has learned nothing yet."""

from __future__ import annotations

import time
from dataclasses import replace
from math import prod

import torch

from verisim.card import ModelCard
from verisim.diffusion import Generation
from verisim.networks.case_diffusion import CaseDiffusion, CaseGenerator
from verisim.networks.latent_diffusion import FEWEST_STAGES, LatentDiffusion
from verisim.precision import laid_out
from verisim.synthesis.making import DiffusionMaker, Request

LARGE = 64**3
"""Voxels of a patch beyond which an autoencoder is worth its training."""


def seconds_a_case(card: ModelCard, device: str = "cpu") -> float:
    """Seconds of a case, from a tenth and a fifth of its steps on this machine.

    Args:
        card: A diffusion model of cases; it needs no weights.
        device: Where to compute.
    """
    network, own = card.build(), card.generation
    assert isinstance(network, CaseGenerator), "the card makes cases"
    assert isinstance(own, Generation), "by diffusion"
    laid_out(network.to(device).eval(), device)
    steps, label_steps = max(1, own.steps // 10), max(1, own.label_steps // 10)
    once = replace(own, steps=steps, label_steps=label_steps)
    twice = replace(own, steps=2 * steps, label_steps=2 * label_steps)
    _seconds(network, once, card, device)  # the first is slower
    first, second = (_seconds(network, way, card, device) for way in (once, twice))
    return first + max(0.0, second - first) * (own.steps / steps - 1)


def hint(card: ModelCard, device: str = "cpu") -> str:
    """What to say of a generator of large volumes by voxels; nothing of another.

    Args:
        card: Untrained, as planned.
        device: Where to compute.
    """
    network = card.network
    if not isinstance(network, CaseDiffusion) or prod(card.patch_size) <= LARGE:
        return ""
    if len(network.features) < FEWEST_STAGES or network.joint:
        return ""
    latent = LatentDiffusion.like(network)
    voxels, behind = (seconds_a_case(one, device) for one in (card, replace(card, network=latent)))
    x, y, z = card.patch_size
    return (
        f"A case of {x}×{y}×{z} voxels will take about {voxels:.0f} s on this machine; "
        f"with --network latent {behind:.0f} s."
    )


def _seconds(network: CaseGenerator, way: Generation, card: ModelCard, device: str) -> float:
    started = time.perf_counter()
    DiffusionMaker(network, way, card.patch_size)(Request(0))
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started

"""A network sees a patch at a time; a Gaussian window joins what it saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod

import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from verisim.progress import SILENT, Progress
from verisim.volume import Array

OVERLAP = 0.5
"""Share of a patch that its neighbour repeats (nnU-Net's step of one half)."""

SPARSE_OVERLAP = 0.25
"""The same (MONAI's own default) for volumes of many patches: a third of the time."""

MANY_PATCHES = 1000
"""More patches than this lie sparsely; volumes like the training data never have so many."""


def predict(
    network: Callable[[Tensor], Tensor],
    array: Array,
    patch_size: Sequence[int],
    progress: Progress = SILENT,
    device: torch.device | str = "cpu",
) -> Array:
    """Class probabilities of a preprocessed volume by sliding window with Gaussian weights.

    Args:
        network: (B, C, X, Y, Z) patches to logits (B, K, X, Y, Z).
        array: (C, X, Y, Z).
        patch_size: Spatial shape of a patch.
        progress: Hears of every patch.
        device: Where the network lives; the joined probabilities stay on the CPU.

    Returns:
        Probabilities (K, X, Y, Z), which sum to 1 over K.
    """
    overlap = overlap_of(array.shape[1:], patch_size)
    total = _patches(array.shape[1:], patch_size, overlap)
    done = 0

    def watched(patch: Tensor) -> Tensor:
        nonlocal done
        progress.advance(done, total, "patches")
        done += len(patch)
        with reduced_precision(device):
            return network(patch).float()

    window = SlidingWindowInferer(
        roi_size=tuple(patch_size),
        overlap=overlap,
        mode="gaussian",
        sw_device=device,
        device="cpu",
    )
    with torch.inference_mode():
        logits = window(torch.tensor(array)[None], watched)
        probabilities: Array = torch.softmax(logits[0], dim=0).numpy()
    progress.advance(total, total, "patches")
    return probabilities


def reduced_precision(device: torch.device | str) -> torch.autocast:
    """bfloat16 where the processor multiplies it in hardware, else full precision."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=has_bfloat16(kind))


def has_bfloat16(kind: str) -> bool:
    """Whether bfloat16 convolutions run in hardware on this kind of device ("cpu", "cuda")."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # emulated bfloat16 is slower than float32, so only the instruction itself counts; torch
    # has no public word for it, and some builds have none at all
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return kind == "cpu" and supported is not None and bool(supported())


def overlap_of(spatial_shape: Sequence[int], patch_size: Sequence[int]) -> float:
    """How much neighbouring patches share: half, or less where the volume has very many."""
    many = _patches(spatial_shape, patch_size, OVERLAP) > MANY_PATCHES
    return SPARSE_OVERLAP if many else OVERLAP


def _patches(spatial_shape: Sequence[int], patch_size: Sequence[int], overlap: float) -> int:
    steps = [
        1 if n <= p else ceil((n - p) / max(1, int(p * (1 - overlap)))) + 1
        for n, p in zip(spatial_shape, patch_size, strict=True)
    ]
    return prod(steps)

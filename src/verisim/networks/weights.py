"""A network's trained numbers, each once: nnU-Net's U-Net lists most of its own three times."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, under the first of their names."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in _tensors(network).items()
    }


def fill(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights into a network.

    Raises:
        ValueError: A name or a shape is not that of the network.
    """
    own = _tensors(network)
    odd = sorted(own.keys() ^ weights.keys())
    odd += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if odd:
        raise ValueError(f"{len(odd)} tensors differ, the first is {odd[0]}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return dict(chain(network.named_parameters(), network.named_buffers()))

"""Reduced precision where it is faster, single precision where rounding could change a label."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from verisim.networks.averaged import SinglePrecision

FLIPPED = 1.6e-3
"""Share of the foreground voxels of a volume that rounding may give another label."""

DOUBT = 2.0
"""A voxel is in doubt when its two best classes are closer than so many typical roundings."""

FLIPS_IN_DOUBT = 0.2
"""Share of the voxels in doubt that change: the mean of Q(m) for margins m even over 0..2, where
Q is the tail of the normal distribution."""

FLAT = 0.05
"""Standard deviation of a patch without contrast: normalization then enlarges every rounding."""

CLOSE = 1.0
"""Classes whose logits are closer than this show how much rounding moves a volume."""

PRIOR = 500
"""So many such voxels are what is known of a network before any of a volume is seen."""

OFTEN = 0.5
"""Where more patches than this need single precision, they get nothing else."""

MEMORY = 0.9
"""How much of that share is carried over from patch to patch."""

ENOUGH = 20 * PRIOR
"""After so many such voxels were compared, what is known of the rounding is trusted."""

RECENT = 0.8
"""The same for how many changes of label a patch lets expect."""

_roundings: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def has_bfloat16(kind: str) -> bool:
    """Whether bfloat16 convolutions run in hardware on this kind of device ("cpu", "cuda")."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # emulated bfloat16 is slower than float32, so only the instruction itself counts; torch
    # has no public word for it, and some builds have none at all
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return kind == "cpu" and supported is not None and bool(supported())


def reduced_precision(device: torch.device | str) -> torch.autocast:
    """bfloat16 where the processor multiplies it in hardware, else full precision."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=has_bfloat16(kind))


def laid_out(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The network with the channels last where that is faster: on processors, and in bfloat16."""
    kind = torch.device(device).type
    if kind == "cpu" or has_bfloat16(kind):
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch leaves it out of its overloads
    return network


def rounding(network: nn.Module, shape: Sequence[int], device: torch.device | str) -> float:
    """How far reduced precision moves the margin between the two best classes of a network.

    It is measured once for each network, on noise that is always the same, so that a volume's
    label map never depends on what was segmented before.

    Args:
        network: (B, C, X, Y, Z) to logits, without mirror images.
        shape: (C, X, Y, Z) of a patch; a small one is enough.
        device: Where the network lives.

    Returns:
        Standard deviation of the change of logits; 0 where reduced precision is not used.
    """
    if not has_bfloat16(torch.device(device).type):
        return 0.0
    if network not in _roundings:
        noise = torch.randn((1, *shape), generator=torch.Generator().manual_seed(0))
        probe = noise.to(device)
        with torch.inference_mode():
            with reduced_precision(device):
                reduced = network(probe).float()
            single = SinglePrecision(network)(probe)
        _roundings[network] = float(_margins(single, reduced)[1].std())
    return _roundings[network]


class Careful(nn.Module):
    """A network that computes a patch again where rounding could change too many labels.

    In reduced precision the logits of a patch tell how many voxels have two classes so close
    together that rounding decides. As long as these are few beside the foreground found so far,
    they are taken as they are; otherwise the patch is computed in single precision. One is made
    for each volume, so equal volumes get equal label maps.

    Args:
        network: (B, C, X, Y, Z) to logits, mirror images included.
        rounding: See the function of that name; patches that were computed twice correct it.
        weights: Of the voxels of a patch, (X, Y, Z): the importance that they have later.
        learning: So many patches are computed twice in any case, to see how far rounding moves
            this volume.
    """

    def __init__(
        self, network: nn.Module, rounding: float, weights: Tensor, learning: int = 0
    ) -> None:
        super().__init__()
        self.network = network
        self._single = SinglePrecision(network)
        self._squares, self._compared = PRIOR * rounding**2, float(PRIOR)
        self._weights, self._learning = weights, learning
        self._flips = self._found = self._often = self._usual = 0.0

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z)."""
        if not torch.is_autocast_enabled(patches.device.type):
            return self._answer(self.network, patches)
        if self._expects_doubt() or _is_flat(patches):
            logits = self._answer(self._single, patches)
            self._doubts(logits)
            return logits
        reduced = self._answer(self.network, patches)
        self._learning -= 1
        if not self._doubts(reduced) and self._learning < 0:
            return reduced
        single = self._answer(self._single, patches)
        self._compare(single, reduced)
        return single

    def _expects_doubt(self) -> bool:
        """Whether a patch like those before would be computed twice."""
        if self._compared < ENOUGH or self._learning > 0:
            return self._often > OFTEN
        return self._flips + self._usual > FLIPPED * self._found

    def _answer(self, network: nn.Module, patches: Tensor) -> Tensor:
        logits: Tensor = network(patches)
        return logits.float()

    def _compare(self, single: Tensor, reduced: Tensor) -> None:
        """Learn from a patch that was computed twice how much rounding moves this volume."""
        margin, moved = _margins(single, reduced)
        close = margin < CLOSE
        self._squares += float(moved[close].square().sum())
        self._compared += float(close.sum())

    def _doubts(self, logits: Tensor) -> bool:
        """Whether reduced precision is too coarse for a patch, as its logits show it."""
        flips, found = self._counted(logits)
        self._found += found
        self._usual = RECENT * self._usual + (1 - RECENT) * flips
        doubts = self._flips + flips > FLIPPED * self._found
        self._flips += 0 if doubts else flips
        self._often = MEMORY * self._often + (1 - MEMORY) * doubts
        return doubts

    def _counted(self, logits: Tensor) -> tuple[float, float]:
        """Expected changes of label, and voxels of the foreground, each by its importance."""
        best, label = logits.max(dim=1)
        second = logits.scatter(1, label[:, None], -torch.inf).amax(dim=1)
        weights = self._weights.to(logits.device)
        closest = DOUBT * (self._squares / self._compared) ** 0.5
        doubtful = (weights * (best - second < closest)).sum()
        return FLIPS_IN_DOUBT * float(doubtful), float((weights * (label > 0)).sum())


def _is_flat(patches: Tensor) -> bool:
    return bool((patches.std(dim=(0, 2, 3, 4)) < FLAT).all())


def _margins(single: Tensor, reduced: Tensor) -> tuple[Tensor, Tensor]:
    """How far apart the two best classes are, and how far reduced precision moves that."""
    first, second = single.topk(2, dim=1).indices.unbind(1)
    margins = [
        (logits.gather(1, first[:, None]) - logits.gather(1, second[:, None]))[:, 0]
        for logits in (single, reduced)
    ]
    return margins[0], margins[1] - margins[0]

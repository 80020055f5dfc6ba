"""Dice + cross-entropy at every resolution (Isensee 2021): Dice finds shapes, CE finds voxels."""

from __future__ import annotations

from monai.losses import DeepSupervisionLoss, DiceCELoss
from torch import Tensor, nn


def dice_cross_entropy() -> nn.Module:
    """Loss of logits (B, K, X, Y, Z) against labels (B, 1, X, Y, Z).

    Logits may be a list at halved resolutions, the finest first. The weight halves with
    the resolution, and the Dice of the background does not count.
    """
    loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    return _FinestFirst(DeepSupervisionLoss(loss, weight_mode="exp"))


class _FinestFirst(nn.Module):
    """Sets the scale to a weight sum of 1, so that the learning rate keeps its meaning."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: list[Tensor] | Tensor, label: Tensor) -> Tensor:
        levels = logits if isinstance(logits, list) else [logits]
        total: Tensor = self.loss([level.float() for level in levels], label.float())
        return total / sum(0.5**k for k in range(len(levels)))

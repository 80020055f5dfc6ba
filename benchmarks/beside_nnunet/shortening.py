"""nnU-Net's schedule made to end in some minutes."""

from __future__ import annotations

EPOCHS = (100, 50, 20, 10, 5, 2, 1)
"""The learning rate falls once an epoch: the more of them, the smoother."""

FEWEST_STEPS = 10
"""Of an epoch, where there are several: what comes after each costs time, too."""


def shortened(step: float, rest: float, seconds: float) -> tuple[int, int]:
    """As many epochs, and steps of each, as fit.

    Args:
        step: Seconds of one.
        rest: Seconds after each epoch.
        seconds: All that there are.
    """
    for epochs in EPOCHS:
        steps = int((seconds / epochs - rest) / step)
        if steps >= FEWEST_STEPS:
            return epochs, steps
    return 1, max(1, steps)

"""A training of seconds that can be killed: `python -m tests.training.tiny_run FOLDER WHEN`.

WHEN is a number, the step before which the process kills itself; or "saving": it then dies with
its next checkpoint half written; or "moving-K": it dies before the K-th file is moved into place.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from verisim.metrics import dice
from verisim.networks.unet import UNet
from verisim.patches import predict
from verisim.training.augmentation import Augmentation, seeded
from verisim.training.batches import Batches
from verisim.training.examples import Example
from verisim.training.loop import Loop
from verisim.training.losses import dice_cross_entropy
from verisim.training.objectives import Naming
from verisim.training.schedule import Schedule

PATCH = (16, 16, 16)
SCHEDULE = Schedule(iterations=24, learning_rate=1e-2, warm_up=3, validate_every=6, seed=5)


def a_ball(seed: int, side: int = 20) -> Example:
    """A bright ball (label 1) beside a dark one (label 2) in noise."""
    generator = np.random.default_rng(seed)
    index = np.indices((side, side, side)).astype(float)
    image = generator.normal(0, 0.3, (1, side, side, side))
    label = np.zeros((side, side, side), np.uint8)
    for value, x in ((1, side * 0.3), (2, side * 0.7)):
        centre = np.array([x, *generator.uniform(side * 0.35, side * 0.65, 2)])
        inside = np.linalg.norm(index - centre[:, None, None, None], axis=0) < side * 0.18
        label[inside] = value
        image[0, inside] += 3 if value == 1 else -3
    return Example(image.astype(np.float32), label)


EXAMPLES = [a_ball(1), a_ball(2)]


def a_network() -> nn.Module:
    """Two stages, with logits at the finest only."""
    with seeded(0):
        return UNet((4, 8), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3),) * 2, 1).build(1, 3)


def a_loop(folder: Path, schedule: Schedule = SCHEDULE) -> Loop:
    """The loop at its beginning."""
    return Loop(a_network(), Naming(dice_cross_entropy()), schedule, folder)


def batches(schedule: Schedule = SCHEDULE) -> Batches:
    """Augmented patches of both cases."""
    return Batches(EXAMPLES, schedule.batch_size, Augmentation(PATCH, (0,)), schedule.seed)


def validate(network: nn.Module) -> float:
    """Mean Dice of the foreground over both cases."""
    network.eval()
    scores = [
        dice(predict(network, example.image, PATCH).argmax(0) > 0, example.label > 0)
        for example in EXAMPLES
    ]
    return float(np.mean(scores))


class Killer:
    """Progress that kills the process before a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Die without a word when it is time."""
        if done == self.step:
            die()


def die() -> None:
    """What the kernel does to a process that took too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_saving() -> None:
    """Make torch write the first half of the next checkpoint only."""
    save = torch.save

    def half(state: object, path: Path) -> None:
        save(state, path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        die()

    torch.save = half


def die_before_moving(number: int) -> None:
    """Let the process die when a finished temporary file is about to get its name."""
    moves = iter(range(1, number + 1))
    move = Path.replace

    def counted(path: Path, target: Path) -> Path:
        if next(moves) == number:
            die()
        return move(path, target)

    Path.replace = counted


def main(folder: str, when: str) -> None:
    """Train until the end or death."""
    torch.set_num_threads(1)
    if when == "saving":
        die_while_saving()
    if when.startswith("moving-"):
        die_before_moving(int(when.removeprefix("moving-")))
    step = int(when) if when.isdigit() else -1
    a_loop(Path(folder)).run(batches(), validate, Killer(step))


if __name__ == "__main__":
    main(*sys.argv[1:])

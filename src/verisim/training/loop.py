"""The training loop: every network learns here, and a run that was killed goes on as before."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from verisim.errors import Conflict
from verisim.files.atomic import replacing
from verisim.networks.weights import weights_of
from verisim.patches import reduced_precision
from verisim.progress import SILENT, Progress
from verisim.training.batches import Batch

GRADIENT_NORM = 12.0
"""Gradients are clipped to this norm (Isensee 2021)."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns.

    Args:
        iterations: Optimizer steps.
        batch_size: Patches a step.
        learning_rate: At the start, after the warm-up; it falls to 0 along a cosine.
        warm_up: Steps in which the learning rate rises.
        weight_decay: Of AdamW (Loshchilov 2019).
        moving_average: Decay of the averaged weights, which are the ones that are kept.
        validate_every: Steps between two looks at the validation cases.
        seed: Decides first weights, patches and augmentation.
    """

    iterations: int = 8000
    batch_size: int = 2
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 1e-2
    moving_average: float = 0.998
    validate_every: int = 500
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Args:
        weights: Averaged weights at the best validation.
        score: Their validation score; higher is better.
        iteration: When they were seen.
        seconds: Wall time of all parts of the run.
    """

    weights: Mapping[str, Tensor]
    score: float
    iteration: int
    seconds: float


class Loop:
    """Optimizer, averaged weights and the best ones so far; all of it goes into the checkpoint.

    Args:
        network: Returns logits, or a list of them at falling resolutions.
        loss: Of logits and labels.
        schedule: How long and how fast.
        folder: Receives `checkpoint.pt` and `curves.csv`.
    """

    def __init__(
        self, network: nn.Module, loss: nn.Module, schedule: Schedule, folder: Path
    ) -> None:
        self.network = network
        self.loss = loss
        self.schedule = schedule
        self.folder = folder
        self.device = next(network.parameters()).device
        self.average = AveragedModel(
            network,
            multi_avg_fn=get_ema_multi_avg_fn(schedule.moving_average),  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        )
        self.optimizer = torch.optim.AdamW(
            network.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self.pace = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._pace)
        self.iteration = 0
        self.best = Trained({}, float("-inf"), 0, 0.0)
        self._seconds = 0.0

    def run(
        self,
        batches: Callable[[int], Batch],
        validate: Callable[[nn.Module], float],
        progress: Progress = SILENT,
    ) -> Trained:
        """Train to the end of the schedule, from the checkpoint if there is one.

        Args:
            batches: Gives batch number k.
            validate: Scores a network; higher is better.
            progress: Hears of every step; may cancel, which keeps the checkpoint.
        """
        self.resume()
        started = time.monotonic() - self._seconds
        losses: list[float] = []
        while self.iteration < self.schedule.iterations:
            progress.advance(self.iteration, self.schedule.iterations, self._message(losses))
            losses.append(self.step(batches(self.iteration)))
            self._seconds = time.monotonic() - started
            if self._due():
                self._look(validate, sum(losses) / len(losses))
                losses.clear()
        progress.advance(self.iteration, self.schedule.iterations, self._message(losses))
        return replace(self.best, seconds=self._seconds)

    def step(self, batch: Batch) -> float:
        """One optimizer step; returns the loss."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with reduced_precision(self.device):
            logits = self.network(batch.image.to(self.device))
        loss: Tensor = self.loss(logits, batch.label.to(self.device))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self.optimizer.step()
        self.pace.step()
        self.average.update_parameters(self.network)
        self.iteration += 1
        return loss.item()

    def resume(self) -> None:
        """Take everything from the checkpoint of an interrupted run, if there is one.

        Raises:
            Conflict: The checkpoint is that of another network, or damaged.
        """
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            for part, saved in zip(self._parts(), state["parts"], strict=True):
                part.load_state_dict(saved)
        except (RuntimeError, ValueError, LookupError, EOFError, UnpicklingError) as error:
            raise Conflict(
                f"The run in {self.folder} cannot be continued: its checkpoint is damaged or "
                "belongs to another network.",
                "Choose another folder for the run, or remove this one.",
            ) from error
        self.iteration = state["iteration"]
        self._seconds = state["seconds"]
        self.best = Trained(*state["best"])

    def save(self) -> None:
        """Write the checkpoint; it appears whole or not at all."""
        best = (dict(self.best.weights), self.best.score, self.best.iteration, self.best.seconds)
        state = {
            "parts": [part.state_dict() for part in self._parts()],
            "iteration": self.iteration,
            "seconds": self._seconds,
            "best": best,
        }
        with replacing(self.folder / "checkpoint.pt") as temporary:
            torch.save(state, temporary)

    def _parts(self) -> tuple[Any, ...]:
        return self.network, self.average, self.optimizer, self.pace

    def _pace(self, iteration: int) -> float:
        """Warm-up, then a cosine to zero."""
        rise = min(1.0, (iteration + 1) / max(1, self.schedule.warm_up))
        angle = torch.pi * min(1.0, iteration / self.schedule.iterations)
        return rise * 0.5 * (1 + float(torch.cos(torch.tensor(angle))))

    def _due(self) -> bool:
        every, last = self.schedule.validate_every, self.schedule.iterations
        return self.iteration % every == 0 or self.iteration == last

    def _look(self, validate: Callable[[nn.Module], float], loss: float) -> None:
        score = validate(self.average.module)
        if score > self.best.score:
            self.best = Trained(
                weights_of(self.average.module), score, self.iteration, self._seconds
            )
        # the checkpoint last: killed in between, the run makes this line of the curves again
        self._write_curves(loss, score)
        self.save()

    def _write_curves(self, loss: float, score: float) -> None:
        """One line a validation; lines of a lost part of the run are dropped."""
        path = self.folder / "curves.csv"
        header = ["iteration", "learning_rate", "loss", "score", "seconds"]
        kept = []
        if path.is_file():
            with path.open(newline="") as file:
                kept = [row for row in list(csv.reader(file))[1:] if int(row[0]) < self.iteration]
        rate = self.pace.get_last_lr()[0]
        row = [
            self.iteration,
            f"{rate:.3e}",
            f"{loss:.6f}",
            f"{score:.6f}",
            f"{self._seconds:.1f}",
        ]
        with replacing(path) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([header, *kept, row])

    def _message(self, losses: list[float]) -> str:
        recent = losses[-20:]
        shown = f"loss {sum(recent) / len(recent):.3f}" if recent else ""
        return f"{shown} best score {self.best.score:.3f}" if self.best.weights else shown

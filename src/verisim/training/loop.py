"""The training loop: every network learns here, and a run that was killed goes on as before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass, replace
from math import isfinite
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from verisim.errors import Conflict, Diverged
from verisim.files.atomic import replacing
from verisim.networks.weights import weights_of
from verisim.progress import SILENT, Progress
from verisim.training.ahead import batches_ahead, workers_for
from verisim.training.batches import Batch
from verisim.training.curves import Look, add_line
from verisim.training.objectives import Objective
from verisim.training.schedule import Schedule

GRADIENT_NORM = 12.0
"""Gradients are clipped to this norm (Isensee 2021)."""

SCORE_MEMORY = 0.9
"""Share of the past in the average of the validation scores (nnU-Net's pseudo Dice)."""

CHECKPOINT_SECONDS = 300.0
"""A checkpoint is never much older, even where validations are hours apart."""


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Args:
        weights: Averaged weights at the best validation.
        score: Their validation score; higher is better.
        iteration: When they were seen.
        seconds: Wall time of all parts of the run.
        average_score: Moving average of the scores at that time, which chose them.
    """

    weights: Mapping[str, Tensor]
    score: float
    iteration: int
    seconds: float
    average_score: float = float("-inf")


UNTRAINED = Trained({}, float("-inf"), 0, 0.0)
"""What there is before the first look at the validation cases."""


class Loop:
    """Optimizer, averaged weights and the best ones so far; all of it goes into the checkpoint.

    Args:
        network: Whatever the objective understands.
        objective: The loss of each step.
        schedule: How long and how fast.
        folder: Receives `checkpoint.pt` and `curves.csv`.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, schedule: Schedule, folder: Path
    ) -> None:
        self.network = network
        self.objective = objective
        self.schedule = schedule
        self.folder = folder
        self.device = next(network.parameters()).device
        self.average = AveragedModel(
            network,
            multi_avg_fn=get_ema_multi_avg_fn(schedule.moving_average),  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        )
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            schedule.learning_rate,
            schedule.memory,
            weight_decay=schedule.weight_decay,
        )
        self.pace = torch.optim.lr_scheduler.LambdaLR(self.optimizer, schedule.pace)
        self.iteration = 0
        self.best = UNTRAINED
        self._average_score: float | None = None
        self._losses: list[float] = []
        self._seconds = 0.0
        self._saved = time.monotonic()

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
        last = self.schedule.iterations
        workers = workers_for(self.device)
        progress.advance(self.iteration, last, self._message())
        # closed on the way out, whatever happens: the processes that make batches end with it
        with closing(batches_ahead(batches, self.iteration, last, workers)) as upcoming:
            for batch in upcoming:
                self._losses.append(self.step(batch))
                self._seconds = time.monotonic() - started
                if self._due():
                    self._look(validate)
                elif time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                    self.save()
                progress.advance(self.iteration, last, self._message())
        return replace(self.best, seconds=self._seconds)

    def step(self, batch: Batch) -> float:
        """One optimizer step; returns the loss."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(self.network, batch, self.iteration)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self.optimizer.step()
        self.pace.step()
        self.average.update_parameters(self.network)
        self.iteration += 1
        seen = loss.item()  # once, when all is done: a graphics card waits for it
        _check_finite(seen, self.iteration)
        return seen

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
            self.iteration, self._seconds = state["iteration"], state["seconds"]
            self.best = Trained(*state["best"])
            self._average_score, self._losses = state["average_score"], state["losses"]
        except (RuntimeError, ValueError, LookupError, EOFError, UnpicklingError) as error:
            raise Conflict(
                f"The run in {self.folder} cannot be continued: its checkpoint is damaged or "
                "belongs to another network.",
                "Choose another folder for the run, or remove this one.",
            ) from error

    def save(self) -> None:
        """Write the checkpoint; it appears whole or not at all."""
        state = {
            "parts": [part.state_dict() for part in self._parts()],
            "iteration": self.iteration,
            "seconds": self._seconds,
            "best": astuple(self.best),
            "average_score": self._average_score,
            "losses": self._losses,
        }
        with replacing(self.folder / "checkpoint.pt") as temporary:
            torch.save(state, temporary)
        self._saved = time.monotonic()

    def _parts(self) -> tuple[Any, ...]:
        return self.network, self.average, self.optimizer, self.pace

    def _due(self) -> bool:
        every, last = self.schedule.validate_every, self.schedule.iterations
        return self.iteration % every == 0 or self.iteration == last

    def _look(self, validate: Callable[[nn.Module], float]) -> None:
        """Validate, keep the weights if they are the best, write curves and checkpoint."""
        score = validate(self.average.module)
        self._average_score = self._averaged(score)
        if self._average_score > self.best.average_score:
            weights = weights_of(self.average.module)
            self.best = Trained(weights, score, self.iteration, self._seconds, self._average_score)
        look = Look(
            iteration=self.iteration,
            learning_rate=float(self.pace.get_last_lr()[0]),
            loss=sum(self._losses) / len(self._losses),
            score=score,
            average_score=self._average_score,
            seconds=self._seconds,
        )
        self._losses = []
        # the checkpoint last: killed in between, the run makes this line of the curves again
        add_line(self.folder, look)
        self.save()

    def _averaged(self, score: float) -> float:
        past = score if self._average_score is None else self._average_score
        return SCORE_MEMORY * past + (1 - SCORE_MEMORY) * score

    def _message(self) -> str:
        recent = self._losses[-20:]
        shown = f"loss {sum(recent) / len(recent):.3f}" if recent else ""
        return f"{shown} best score {self.best.score:.3f}" if self.best.weights else shown


def _check_finite(loss: float, iteration: int) -> None:
    if not isfinite(loss):
        raise Diverged(
            f"The loss of step {iteration} is {loss}: the training has diverged.",
            "Its last checkpoint is kept; begin anew in another folder, with a lower learning "
            "rate.",
        )

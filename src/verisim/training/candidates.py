"""Which network a new model is, and how long it is trained."""

from __future__ import annotations

from dataclasses import replace

from verisim.dataset import Dataset
from verisim.planning import Configuration, Plan
from verisim.training.budget import Candidate, Planned, Work, plan_for
from verisim.training.kinds import of_kind
from verisim.training.options import NewModelOptions
from verisim.training.schedule import Schedule

AXES = "xyz"


def candidates(options: NewModelOptions, plan: Plan) -> tuple[Candidate, Candidate]:
    """The plan's own network, and a lighter one."""
    own, lighter = plan.default, plan.default.lighter()
    return _candidate(options, plan, own), _candidate(options, plan, lighter)


def chosen(
    options: NewModelOptions, plan: Plan, dataset: Dataset, device: str, started: float
) -> tuple[Candidate, Schedule]:
    """The plan's network on a graphics card, a lighter one on a processor, and for how long.

    Args:
        options: What was asked for.
        plan: Made for the data set.
        dataset: Where to learn from.
        device: Where to compute.
        started: `time.monotonic()` when the work began.
    """
    own, lighter = candidates(options, plan)
    if not options.minutes:
        fitting = lighter if device == "cpu" else own
        return fitting, options.lasting(fitting.batch_size)
    planned = planned_for(options, plan, dataset, device, started)
    return lighter if planned.lighter else own, planned.schedule


def planned_for(
    options: NewModelOptions, plan: Plan, dataset: Dataset, device: str, started: float
) -> Planned:
    """What can be done in the minutes that were asked for; see `chosen`."""
    pair = candidates(options, plan)
    work = Work(dataset.split("train"), dataset.split("val"), options.networks)
    asked = options.lasting(pair[0].batch_size)
    return plan_for(options.minutes, started, pair, work, asked, device)


def _candidate(options: NewModelOptions, plan: Plan, configuration: Configuration) -> Candidate:
    card = of_kind(plan.card(options.name, configuration), options.network)
    mirrored = "" if options.mirror == "none" else options.mirror
    axes = (k for k, axis in enumerate(AXES) if axis in mirrored and card.patch_size[k] > 1)
    description = options.description or card.description
    card = replace(card, description=description, mirrored_axes=tuple(axes))
    return Candidate(card, configuration.batch_size)

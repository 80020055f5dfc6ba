"""A training that a client wants, and the labelled cases as they are when it is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from monailabel.interfaces.app import MONAILabelApp

from lib.devices import chosen_device
from lib.labelled import labelled_dataset
from lib.new_model import new_dataset
from verisim.dataset import Dataset
from verisim.errors import BadInput, NotFound
from verisim.jobs.asked import Asked
from verisim.jobs.snapshot import keep_dataset
from verisim.jobs.training import NEW_MODEL
from verisim.training.options import NewModelOptions, TrainingOptions


def training_asked(app: MONAILabelApp, given: Mapping[str, Any], user: str, key: str) -> Asked:
    """A training on the cases that have a final label now.

    Args:
        app: Has the models and the labels.
        given: `model`, and the options of `POST /train/{model}`.
        user: Who asks.
        key: The client's idempotency key, if any.

    Raises:
        VerisimError: It could not begin; the class says why.
    """
    model = str(given.get("model", ""))
    wanted = {name: value for name, value in given.items() if name != "model"}
    options, dataset = _checked(app, model, wanted)
    device = chosen_device(options.device)
    request = {"model": model, "options": {**options.model_dump(mode="json"), "device": device}}
    return Asked("train", user, device, request, key, partial(keep_dataset, dataset))


def _checked(
    app: MONAILabelApp, model: str, wanted: Mapping[str, Any]
) -> tuple[TrainingOptions, Dataset]:
    offered = (NEW_MODEL, *app.models.trainable)
    if model not in offered:
        raise NotFound(f"No training for {model!r}.", f"Choose one of: {', '.join(offered)}.")
    kind = NewModelOptions if model == NEW_MODEL else TrainingOptions
    unknown = sorted(wanted.keys() - kind.model_fields.keys())
    if unknown:
        raise BadInput(
            f"There is no parameter {unknown[0]!r}.",
            f"The parameters are: model, {', '.join(kind.model_fields)}.",
        )
    app.check_training(model, wanted)
    options = kind.asked_for(wanted)
    if isinstance(options, NewModelOptions):
        return options, new_dataset(app.datastore(), options)
    return options, labelled_dataset(app.datastore(), app.models.card(model), options)

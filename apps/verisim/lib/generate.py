"""One synthetic case as a task of MONAI Label, so that its stock clients can ask for it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.utils.others.generic import device_list

from lib.ask import device_of
from lib.devices import chosen_device
from lib.infer import temporary
from lib.jobs.asking import parsed
from lib.jobs.opening import AtOnce
from lib.models import Models
from lib.names import check_image_id
from lib.sources import stored_label
from verisim import files
from verisim.card import ModelCard
from verisim.diffusion import Generation
from verisim.errors import BadInput, VerisimError
from verisim.jobs.synthesizing import SynthesizeRequest
from verisim.networks.attributes import Attribute
from verisim.networks.network import attributes_of
from verisim.synthesis import Synthesizer, SyntheticCase
from verisim.synthesis.given import check_given, for_label_maps, read_given
from verisim.synthesis.provenance import warning_of

SUFFIXES = (".nrrd", ".nii.gz", ".nii", ".zip")
"""Of an answer; the first is what stock clients read, the last holds image and label map."""

PARTS = ("image", "label")
"""Of a case: a stock client asks twice, with the same seed, for both."""

ASKED = "attribute."
"""Before the name of an attribute among the choices of a panel, which are a flat list."""

NO_IMAGE = ("", "none")
"""What stock clients say who must name an image and have none."""


class GenerateTask(InferTask):
    """One model that makes cases, offered to every MONAI Label client.

    Args:
        name: Of the model.
        models: Where its newest version is found.
        at_once: Where it waits for its device.
    """

    def __init__(self, name: str, models: Models, at_once: AtOnce) -> None:
        card = models.card(name)
        super().__init__(
            type=InferType.OTHERS,
            labels=dict(card.labels),
            dimension=3,
            description=card.description,
        )
        self._name = name
        self._models = models
        self._at_once = at_once

    def info(self) -> dict[str, Any]:
        """What `/info/` tells about the newest version of the model."""
        card = self._models.card(self._name)
        return {
            **super().info(),
            "labels": dict(card.labels),
            "description": card.description,
            "version": card.version,
            "channels": list(card.channels),
            "steps": self._steps,
            "attributes": {one.name: list(one.values) for one in self._attributes},
            "colors": {name: list(color) for name, color in card.colors.items()},
            "seconds_per_volume": card.seconds_per_volume,
        }

    def config(self) -> dict[str, Any]:
        """What a client may choose, with the defaults; a list is a choice."""
        generation = self._models.card(self._name).generation
        seed = generation.seed if generation else 0
        own = {"device": device_list(), "seed": seed, "first": 0, "part": list(PARTS)}
        return own | {f"{ASKED}{one.name}": ["", *one.values] for one in self._attributes}

    @property
    def _steps(self) -> int:
        """From noise to image, where a client may ask for others; 0 where it may not."""
        generation = self._models.card(self._name).generation
        free = isinstance(generation, Generation) and generation.student is None
        return generation.steps if free else 0

    @property
    def _attributes(self) -> tuple[Attribute, ...]:
        return attributes_of(self._models.card(self._name).network)

    def is_valid(self) -> bool:
        """Whether the model can be offered."""
        try:
            self._models.card(self._name)
        except VerisimError:
            return False
        return True

    def get_path(self, validate: bool = True) -> str | None:
        """The file of weights, for `GET /model`."""
        path = self._models.card(self._name).weights_path
        return str(path) if path.is_file() or not validate else None

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Make one case.

        Args:
            request: Its `image` is a label map to be shown, or None.

        Returns:
            A temporary file, to be deleted by the caller, and what a client shows about it.

        Raises:
            VerisimError: The request cannot be answered; the class says why.
        """
        part, suffix = (
            _choice(request, "part", PARTS),
            _choice(request, "result_extension", SUFFIXES),
        )
        known = SynthesizeRequest.model_fields.keys() - {"count", "format", "device"}
        wish = {name: one for name, one in request.items() if name in known}
        wish.setdefault("attributes", _chosen(request))
        asked = parsed(SynthesizeRequest, {**wish, "model": self._name})
        card, given = asked.of(self._models.card(self._name)), request["image"]
        check_given(card, 0 if given is None else 1)
        device = chosen_device(device_of(request) or "auto")
        work = partial(self._made, card, asked, device, given)
        case = self._at_once.run(device, work)
        return str(_written(case, part, suffix)), _told(card, case)

    def _made(
        self, card: ModelCard, asked: SynthesizeRequest, device: str, given: Path | None
    ) -> SyntheticCase:
        label_maps = read_given([given], card) if given else []
        synthesizer = Synthesizer(for_label_maps(card, label_maps), device, asked.precision)
        (case,) = synthesizer([asked.first], label_maps)
        return case


def generate(task: GenerateTask, request: Mapping[str, Any], store: Datastore) -> dict[str, Any]:
    """Run a task, as MONAI Label wants its answers.

    Args:
        task: The model.
        request: Its `image` is a label map that was uploaded, the id of an image of the datastore
            whose label is shown, or none.
        store: Holds the labels.

    Raises:
        BadInput: It shall be saved as the label of an image.
        NotFound: There is no label of that id.
    """
    if request.get("save_label"):
        raise BadInput(
            f"What {request['model']} makes is no label of an image.",
            "Leave save_label out; POST /jobs/synthesize makes whole data sets.",
        )
    image = request.get("image")
    if not isinstance(image, Path):
        named = str(image or "")
        tag = str(request.get("label_tag") or DefaultLabelTag.FINAL.value)
        image = None if named in NO_IMAGE else stored_label(store, check_image_id(named), tag)
    path, params = task({**request, "image": image})
    return {"label": path, "tag": DefaultLabelTag.ORIGINAL, "file": path, "params": params}


def _choice(request: Mapping[str, Any], name: str, offered: tuple[str, ...]) -> str:
    """One of what is offered; the first if nothing is said, or a panel's untouched list."""
    given = request.get(name) or offered[0]
    given = given[0] if isinstance(given, list) else given
    dotted = (
        f".{given}" if name == "result_extension" and not str(given).startswith(".") else given
    )
    if dotted not in offered:
        raise BadInput(f"There is no {name} {given!r}.", f"Choose one of: {', '.join(offered)}.")
    return str(dotted)


def _chosen(request: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that are chosen in a panel; an untouched list, or its blank, asks for none."""
    named = {k.removeprefix(ASKED): one for k, one in request.items() if k.startswith(ASKED)}
    return {k: one for k, one in named.items() if one and not isinstance(one, list)}


def _written(case: SyntheticCase, part: str, suffix: str) -> Path:
    """A new temporary file of an image, of a label map, or of both with their provenance.

    Raises:
        StorageFailed: The disk refused; nothing is left behind.
    """
    with ExitStack() as undo:
        path = temporary(suffix)
        undo.callback(path.unlink, missing_ok=True)
        if suffix == ".zip":
            _pack(case, path)
        else:
            files.write(path, case.volume if part == "image" else case.label_map)
        undo.pop_all()
    return path


def _pack(case: SyntheticCase, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("provenance.json", case.provenance.to_json())
        for name, volume in (("image.nii.gz", case.volume), ("label.nii.gz", case.label_map)):
            with ExitStack() as undo:
                own = temporary(".nii.gz")
                undo.callback(own.unlink, missing_ok=True)
                files.write(own, volume)
                packed.write(own, name)


def _told(card: ModelCard, case: SyntheticCase) -> dict[str, Any]:
    return {
        "label_names": dict(case.label_map.labels),
        "volumes_ml": {name: round(ml, 4) for name, ml in case.label_map.volumes_ml.items()},
        "model": {"name": card.name, "version": card.version},
        "synthetic": True,
        "audited": False,
        "provenance": case.provenance.told,
        "warnings": [warning_of(card)],
    }

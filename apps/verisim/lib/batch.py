"""Segment many cases of the datastore, one after the other on each device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.batch_infer import BatchInferTask, run_infer_task
from monailabel.utils.others.generic import name_to_device

from lib.strategies import ORIGINAL
from verisim import devices
from verisim.errors import NotFound, VerisimError

logger = logging.getLogger(__name__)

Infer = Callable[[dict[str, Any], Datastore], dict[str, Any]]


class BatchInference(BatchInferTask):
    """Segments all, labelled, unlabelled or listed cases, and saves labels with certainties.

    A case that fails tells why and stops no other.
    """

    def __call__(
        self, request: Mapping[str, Any], datastore: Datastore, infer: Infer
    ) -> dict[str, Any]:
        """The answer of each case by id.

        Raises:
            VerisimError: No case at all could be segmented.
        """
        datastore.refresh()
        names = sorted(self.get_images(request, datastore))
        names = names[: request.get("max_batch_size") or None]
        places = _devices(request)
        with ThreadPoolExecutor(len(places)) as executor:
            answers = executor.map(
                lambda k: _segmented(request, datastore, infer, names[k], places[k % len(places)]),
                range(len(names)),
            )
            answered = dict(zip(names, answers, strict=True))
        failed = [answer for answer in answered.values() if isinstance(answer, VerisimError)]
        if failed and len(failed) == len(answered):
            raise failed[0]
        return {
            name: {"error": str(answer)} if isinstance(answer, VerisimError) else answer
            for name, answer in answered.items()
        }


def _segmented(
    request: Mapping[str, Any], datastore: Datastore, infer: Infer, name: str, device: str
) -> dict[str, Any] | VerisimError:
    if name not in datastore.list_images():
        return NotFound(f"There is no case {name!r}.", "List cases of the studies by their id.")
    asked = {
        **request,
        "image": name,
        "device": device,
        "save_label": True,
        "label_tag": request.get("label_tag") or ORIGINAL,
    }
    try:
        answer = run_infer_task(asked, datastore, infer)
    except VerisimError as error:
        logger.warning("%s is not segmented: %s", name, error)
        return error
    logger.info("%s is segmented on %s", name, device)
    return dict(answer)


def _devices(request: Mapping[str, Any]) -> list[str]:
    """The devices to share the cases among; stock clients ask for "cuda" wherever they run."""
    count = torch.cuda.device_count()
    if request.get("multi_gpu", True) and count > 1:
        return [f"cuda:{k}" for k in range(count)]
    return [devices.choose(name_to_device(request.get("device")))]

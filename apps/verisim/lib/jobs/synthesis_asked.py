"""Synthetic cases that a client wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import UploadFile
from monailabel.interfaces.app import MONAILabelApp

from lib.devices import chosen_device
from lib.jobs.asking import parsed
from lib.jobs.inputs import from_uploads
from verisim.errors import BadInput
from verisim.jobs.asked import Asked
from verisim.jobs.synthesizing import SynthesizeRequest
from verisim.synthesis.given import check_given


def synthesis_asked(
    app: MONAILabelApp,
    given: dict[str, Any],
    uploads: Sequence[UploadFile],
    user: str,
    key: str,
) -> Asked:
    """New cases, for the uploaded label maps if there are any.

    Raises:
        VerisimError: It could not be done; the class says why.
    """
    asked = parsed(SynthesizeRequest, given)
    card = app.models.card(asked.model)
    if card.kind != "synthesis":
        raise BadInput(
            f"{card.title} segments and makes no cases.",
            f"Choose from: {', '.join(app.models.makers) or 'none is installed'}.",
        )
    asked.of(card)
    check_given(card, len(uploads))
    device = chosen_device(asked.device)
    request = {**asked.model_dump(mode="json"), "device": device}
    fill: Callable[[Path], None] = partial(from_uploads, uploads) if uploads else _nothing
    return Asked("synthesize", user, device, request, key, fill)


def _nothing(folder: Path) -> None:
    """No label map is given."""

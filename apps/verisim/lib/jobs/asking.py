"""What a client wants done, checked as far as it can be before the work begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import UploadFile
from monailabel.interfaces.app import MONAILabelApp
from pydantic import BaseModel, ValidationError

from lib.devices import chosen_device
from lib.doors.roles import check_may_label
from lib.doors.who import User
from lib.jobs.inputs import from_path, from_uploads
from lib.names import check_tag
from lib.sources import session_image, stored_image
from verisim import mirroring
from verisim.errors import BadInput, UnsupportedVolume
from verisim.installed import unknown_model
from verisim.jobs.asked import Asked
from verisim.jobs.segment_request import SegmentRequest

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Source:
    """Where the volume of a job comes from; one of these.

    Args:
        image: Id of an image of the datastore.
        session_id: Id of a session.
        uploads: Files that came with the request.
        upload: Hash of an upload that is kept.
        user: Whose upload it is.
    """

    image: str = ""
    session_id: str = ""
    uploads: Sequence[UploadFile] = ()
    upload: str = ""
    user: str = ""

    def fill(self, app: MONAILabelApp) -> Callable[[Path], None]:
        """What writes the volume into the folder of the job.

        Raises:
            BadInput: None is named, or more than one.
            NotFound: There is none of that name.
        """
        named = [bool(one) for one in (self.image, self.session_id, self.uploads, self.upload)]
        if sum(named) != 1:
            raise BadInput(
                "The request names no volume." if not any(named) else "It names several volumes.",
                "Name one with ?image=ID, ?session_id=ID or ?upload=SHA256, or send it as file.",
            )
        if self.uploads:
            return partial(from_uploads, self.uploads)
        return partial(from_path, self.path(app))

    def path(self, app: MONAILabelApp) -> Path:
        """Where it lies on this machine, if it was not uploaded."""
        if self.session_id:
            return session_image(app.sessions(), self.session_id)
        if self.upload:
            kept: Path = app.kept.path(self.user, self.upload)
            return kept
        return stored_image(app.datastore(), self.image)

    def is_series(self, app: MONAILabelApp) -> bool:
        """Whether it is more than one file."""
        return len(self.uploads) > 1 if self.uploads else self.path(app).is_dir()


def parsed(kind: type[Model], given: dict[str, Any]) -> Model:
    """The parameters of a job.

    Raises:
        BadInput: One is missing, unknown or out of bounds; the message names it.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "params"
        raise BadInput(
            f"{name} cannot be used: {first['msg'].lower()}.",
            f"The parameters are: {', '.join(kind.model_fields)}.",
        ) from error


def segment_asked(
    app: MONAILabelApp, given: dict[str, Any], source: Source, user: User, key: str
) -> Asked:
    """A segmentation.

    Raises:
        TurnedAway: A label shall be saved for somebody who may not.
        VerisimError: It could not be done; the class says why.
    """
    asked = parsed(SegmentRequest, given)
    if asked.save_label:
        check_may_label(user)
        _check_label(asked, source)
    card = app.models.card(asked.model)
    if card.kind != "segmentation":
        raise unknown_model(asked.model, app.models.names)
    parts = app.models.parts(card)
    mirroring.checked_wish(parts, asked.mirror)
    asked.wish.check(parts)
    fill = source.fill(app)
    if asked.result_extension == ".dcm" and not source.is_series(app):
        raise UnsupportedVolume(
            "The volume is no DICOM series: a DICOM segmentation must belong to one.",
            "Upload all files of the series, or ask for another format.",
        )
    device = chosen_device(asked.device)
    label_of = source.image if asked.save_label else ""
    request = {**asked.model_dump(mode="json"), "device": device, "label_of": label_of}
    return Asked("segment", user.name, device, request, key, fill)


def _check_label(asked: SegmentRequest, source: Source) -> None:
    check_tag(asked.label_tag)
    if not source.image:
        raise BadInput(
            "Only the label of an image of the datastore can be saved.",
            "Name it with ?image=ID, or leave save_label out.",
        )
    if asked.result_extension == ".dcm":
        raise BadInput(
            "A label that is saved cannot be a .dcm.",
            "Ask for .seg.nrrd; a final label goes to a PACS as a DICOM segmentation.",
        )

"""Label maps of jobs that become labels of the datastore."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import ImageNotFoundException

from verisim.errors import NotFound, Unavailable

PATIENCE = 60.0
"""Seconds that a label waits for a datastore that is opened later than the first job ends."""


class StoredLabels:
    """Labels that go into the datastore; an earlier process's jobs may begin before it is open."""

    def __init__(self) -> None:
        self._store: Future[Datastore] = Future()

    def go_into(self, store: Datastore) -> None:
        """Say which datastore."""
        self._store.set_result(store)

    def save(self, image: str, label: Path, tag: str, info: Mapping[str, Any]) -> None:
        """Keep a copy of a label map as the label of an image; an older one of the tag goes.

        Raises:
            NotFound: The image is not there any more.
            Unavailable: The datastore is not open, or its PACS does not answer.
            VerisimError: The datastore refuses it.
        """
        try:
            self._store.result(PATIENCE).save_label(image, str(label), tag, dict(info))
        except TimeoutError as error:
            raise Unavailable("The datastore is not open yet.", "Ask again.") from error
        except ImageNotFoundException as error:  # the id may be a patient's name
            raise NotFound(
                "The image is not in the datastore any more.", "Bring it again, then ask again."
            ) from error

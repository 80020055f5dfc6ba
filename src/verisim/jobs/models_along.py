"""Models that a job needs, on machines that do not have them."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from verisim.card import ModelCard, sha256_of
from verisim.files.atomic import make_folder, replacing
from verisim.installed import SHIPPED_MODELS
from verisim.jobs.kind import Kind

logger = logging.getLogger(__name__)

MOST_BYTES = 20 * 2**30
"""Weights beyond this are forgotten, those first that were not used for longest."""

FOLDER_VARIABLE = "VERISIM_WEIGHTS"
"""Names the folder in which a worker keeps weights."""


@runtime_checkable
class UsesModels(Protocol):
    """A kind of work that reads models from folders of the server.

    On another machine, where these folders are not, the models that it needs lie in one folder.
    """

    def models(self, request: Mapping[str, Any]) -> Sequence[ModelCard]:
        """All that the request needs: the model, the members of an ensemble, a first stage.

        Raises:
            NotFound: One of them is not there.
        """

    def with_models_in(self, folder: Path) -> Kind:
        """The same kind, which finds its models in `folder` alone."""


@dataclass(frozen=True)
class Weights:
    """Weights that a worker needs.

    Args:
        name: Of the file, beside its card.
        sha256: Of the file.
    """

    name: str
    sha256: str


def weights_of_cards(cards: Sequence[ModelCard]) -> tuple[Weights, ...]:
    """The weights of some models; an ensemble has none of its own."""
    return tuple(Weights(card.weights_path.name, card.sha256) for card in cards if card.sha256)


def kept_folder() -> Path:
    """Where this machine keeps weights."""
    default = Path.home() / ".cache" / "verisim" / "weights"
    return Path(os.environ.get(FOLDER_VARIABLE, default)).expanduser()


def missing(wanted: Sequence[Weights]) -> list[Weights]:
    """Which weights this machine has not; damaged ones are deleted."""
    return [weights for weights in wanted if not _have(weights)]


def lay(weights: Weights, folder: Path) -> None:
    """Put kept weights into a folder, under the name that their card expects.

    Raises:
        FileNotFoundError: They are not kept.
    """
    path = folder / weights.name
    try:
        path.hardlink_to(_path(weights))
    except OSError:  # another disk, or one without links
        shutil.copyfile(_path(weights), path)


def keep(weights: Weights, arrived: Path) -> None:
    """Keep weights that have come and were checked; a disk that refuses is no reason to fail.

    Args:
        weights: What they are.
        arrived: The file, which stays.
    """
    try:
        make_folder(kept_folder())
        with replacing(_path(weights)) as temporary:
            shutil.copyfile(arrived, temporary)
        _forget_oldest()
    except Exception as error:
        logger.warning("The weights %s cannot be kept: %s", weights.name, error)


def _have(weights: Weights) -> bool:
    path = _path(weights)
    if not path.is_file() and (SHIPPED_MODELS / weights.name).is_file():
        keep(weights, SHIPPED_MODELS / weights.name)
    if not path.is_file():
        return False
    if sha256_of(path) != weights.sha256:
        path.unlink(missing_ok=True)
        return False
    os.utime(path)  # used now
    return True


def _path(weights: Weights) -> Path:
    return kept_folder() / f"{weights.sha256}.safetensors"


def _forget_oldest() -> None:
    newest_first = sorted(
        ((path.stat().st_mtime, path) for path in kept_folder().glob("*.safetensors")),
        reverse=True,
    )
    total = 0
    for _, path in newest_first:
        total += path.stat().st_size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)

"""A checkpoint of nnU-Net v2, read without running what is pickled in it."""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from verisim.errors import NotFound, UnreadableFile, UnsafeCheckpoint, UnsupportedModel

SCALAR = np.float64().__reduce__()[0]
"""What a pickled number of numpy's calls: it makes one number from its bytes."""

NUMPY_NUMBERS: list[Any] = [
    (SCALAR, "numpy.core.multiarray.scalar"),  # written beside numpy 1
    (SCALAR, "numpy._core.multiarray.scalar"),  # written beside numpy 2
    (np.dtype, "numpy.dtype"),
    *(type(np.dtype(code)) for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?")),
]
"""All that nnU-Net pickles besides tensors and plain Python: the numbers of its training log."""

BROKEN = (
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    struct.error,
    OSError,
)
"""What torch raises for bytes that are no checkpoint."""

PROGRAM = ("TorchScript", ".tar format")
"""Words of torch's refusal of formats that only code can open."""


@dataclass(frozen=True)
class Checkpoint:
    """What one fold's training left.

    Args:
        weights: Tensors by the network's own names.
        configuration: Name in the plans.
        trainer: Name of nnU-Net's class that trained it.
        mirror_axes: Axes of the network along which mirror images may be averaged.
        epochs: Passed ones.
        seconds: Wall time of all epochs.
        ended: ISO date of the last one.
        device: What it ran on.
    """

    weights: Mapping[str, Tensor]
    configuration: str
    trainer: str
    mirror_axes: tuple[int, ...]
    epochs: int
    seconds: float
    ended: str
    device: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; only tensors, plain Python and numpy's numbers are made from it.

    Raises:
        NotFound: There is no such file.
        UnreadableFile: It is truncated, or no checkpoint.
        UnsafeCheckpoint: It wants to run something; the message names it, and nothing has run.
        UnsupportedModel: It is a checkpoint, but not one of nnU-Net v2.
    """
    loaded = _loaded(path)
    try:
        content = _Content.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        raise UnsupportedModel(
            f"{path} is no checkpoint of nnU-Net v2, by its field "
            f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.",
            "Give the folder that nnUNetv2_train wrote.",
        ) from error
    return _checkpoint(content, path.stat().st_mtime)


class _Log(BaseModel):
    epoch_start_timestamps: tuple[float, ...] = ()
    epoch_end_timestamps: tuple[float, ...] = ()


class _Arguments(BaseModel):
    configuration: str
    device: object = "unknown"


class _Content(BaseModel):
    """What nnUNetTrainer.save_checkpoint writes, without the optimizer."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    network_weights: Mapping[str, Tensor]
    init_args: _Arguments
    trainer_name: str
    current_epoch: int = 0
    logging: _Log = _Log()
    inference_allowed_mirroring_axes: tuple[int, ...] | None = None


def _loaded(path: Path) -> object:
    if not path.is_file():
        raise NotFound(
            f"There is no checkpoint {path}.",
            "Wait for the training's end, or choose another with --checkpoint.",
        )
    try:
        # torch wonders about the very formats that are refused below
        with torch.serialization.safe_globals(NUMPY_NUMBERS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except BROKEN as error:
        if any(word in str(error) for word in PROGRAM):
            raise _unsafe(path, "a program") from error
        raise _unreadable(path, error) from error


def _refused(path: Path, error: pickle.UnpicklingError) -> UnsafeCheckpoint | UnreadableFile:
    if found := re.search(r"GLOBAL (\S+)", str(error)):
        return _unsafe(path, found[1])
    # pickles that torch does not even begin to read, and bytes that are no pickle
    called = _called(path)
    return _unsafe(path, ", ".join(called)) if called else _unreadable(path, error)


def _unsafe(path: Path, called: str) -> UnsafeCheckpoint:
    return UnsafeCheckpoint(
        f"The checkpoint {path} wants to run {called}; weights need nothing of the kind. "
        "It was not opened, and nothing of it has run.",
        "Ask where the file comes from, and do not open it with other programs either.",
    )


def _unreadable(path: Path, error: Exception) -> UnreadableFile:
    said = str(error).split("WeightsUnpickler error:")[-1].strip().split("\n")[0].rstrip(".")
    return UnreadableFile(
        f"The checkpoint {path} is truncated or no checkpoint: {said or type(error).__name__}.",
        "Copy it again.",
    )


def _called(path: Path) -> list[str]:
    """What the pickles in a file would call, read without running anything."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            return _named(stream)
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        return [name for inside in pickles for name in _named(archive.open(inside))]


def _named(stream: IO[bytes]) -> list[str]:
    named, said = [], [""]
    # a pickle that breaks off has named what it named
    with suppress(ValueError):
        for instruction, argument, _ in pickletools.genops(stream):
            if instruction.name in ("GLOBAL", "INST"):
                named.append(str(argument).replace(" ", "."))
            elif instruction.name == "STACK_GLOBAL":
                named.append(".".join(said[-2:]))
            elif isinstance(argument, str):
                said.append(argument)
    return named


def _checkpoint(content: _Content, written: float) -> Checkpoint:
    starts, ends = content.logging.epoch_start_timestamps, content.logging.epoch_end_timestamps
    last = datetime.fromtimestamp(ends[-1] if ends else written, UTC)
    return Checkpoint(
        # trainings on several GPUs, or compiled ones, put a word before each name
        weights={
            name.removeprefix("module.").removeprefix("_orig_mod."): tensor
            for name, tensor in content.network_weights.items()
        },
        configuration=content.init_args.configuration,
        trainer=content.trainer_name,
        # the first trainers did not write it, and nnU-Net then does not mirror
        mirror_axes=content.inference_allowed_mirroring_axes or (),
        epochs=content.current_epoch,
        seconds=round(sum(ends) - sum(starts[: len(ends)]), 1),
        ended=last.date().isoformat(),
        device=str(content.init_args.device),
    )

"""SSCD, which finds copies of photographs, from local weights: nothing is fetched."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from verisim.audit.embedded import Network, check_embeds, first_line
from verisim.errors import BadInput, NotFound, UnreadableFile

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the photographs of ImageNet, which SSCD's weights expect to be taken off."""

REMEDY = (
    "Name a file such as sscd_disc_mixup.torchscript.pt, from "
    "github.com/facebookresearch/sscd-copy-detection."
)


@dataclass(frozen=True)
class Sscd:
    """SSCD, which finds copies of photographs (Pizzi 2022), as a TorchScript file.

    Args:
        file: Of the weights, and of the network's program.
        sha256: Of the file.
    """

    file: Path = field(repr=False)
    sha256: str

    @property
    def name(self) -> str:
        """For tables."""
        return "sscd"

    @property
    def side(self) -> int:
        """As its authors press pictures into squares."""
        return 320

    @classmethod
    def of(cls, file: Path) -> Sscd:
        """Weights of a file, tried on two pictures.

        Raises:
            NotFound: There is no such file.
            UnreadableFile: It is no TorchScript.
            BadInput: Its network takes no pictures, or does not give an embedding of each.
        """
        found = cls(file, hashlib.sha256(_bytes_of(file)).hexdigest())
        check_embeds(found.network("cpu"), found.side, str(file), REMEDY)
        return found

    def network(self, device: str) -> Network:
        """See `Backend`.

        Raises:
            NotFound: There is no such file.
            UnreadableFile: It is no TorchScript.
            BadInput: It is not the file that the audit began with.
        """
        content = _bytes_of(self.file)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise BadInput(f"The weights {self.file} changed meanwhile.", "Audit again.")
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                script = torch.jit.load(io.BytesIO(content), map_location=device)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise UnreadableFile(
                f"The weights {self.file} are no TorchScript: {first_line(error)}", REMEDY
            ) from error
        mean, deviation = (
            torch.tensor(numbers, device=device)[:, None, None] for numbers in (MEAN, DEVIATION)
        )

        def network(pictures: Tensor) -> Tensor:
            # not optimized on the way: the first picture is computed like every other
            with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
                found: Tensor = script((pictures - mean) / deviation)
            return found

        return network


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There are no weights {file}.", REMEDY) from error
    except OSError as error:
        raise UnreadableFile(
            f"The weights {file} cannot be read: {error.strerror}.", REMEDY
        ) from error

"""DreamSim, which judges photographs as people do, from local weights: nothing is fetched."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from torch import Tensor

from verisim.audit.embedded import Network, check_embeds, first_line
from verisim.errors import BadInput, NotFound, Unavailable, UnreadableFile

FILES = (
    *("dino_vitb16_pretrain.pth", "dino_vitb16_lora"),
    *("clip_vitb16_pretrain.pth.tar", "clip_vitb16_lora"),
    *("open_clip_vitb16_pretrain.pth.tar", "open_clip_vitb16_lora"),
)
"""What its package would download if it were missing."""

WEIGHTS = (".pth", ".tar", ".pt", ".bin", ".safetensors", ".json")
"""Ends of the names of files that decide what it says."""

REMEDY = (
    'Fetch them where there is a network: python -c "from dreamsim import dreamsim; '
    "dreamsim(device='cpu', cache_dir='FOLDER')\", and name that folder."
)


def by_package(folder: Path, device: str) -> Network:
    """DreamSim's own, by its package.

    Raises:
        Unavailable: The package is not installed, or cannot be loaded.
    """
    try:
        package = import_module("dreamsim")
    except (ImportError, OSError, RuntimeError) as error:
        raise Unavailable(
            f"DreamSim needs its package, which cannot be loaded here: {first_line(error)}",
            "Install it, and a torchvision that fits torch: pip install dreamsim.",
        ) from error
    with redirect_stdout(io.StringIO()):  # it tells where its weights lie
        model, _ = package.dreamsim(pretrained=True, device=device, cache_dir=str(folder))
    network: Network = model.embed
    return network


@dataclass(frozen=True)
class DreamSim:
    """DreamSim, which judges photographs as people do (Fu 2023), from a folder of weights.

    Args:
        folder: Where its package keeps them (`cache_dir`).
        sha256: Of all files of weights in it, with their names.
        load: Makes the network of that folder on a device.
    """

    folder: Path = field(repr=False)
    sha256: str
    load: Callable[[Path, str], Network] = field(default=by_package, repr=False)

    @property
    def name(self) -> str:
        """For tables."""
        return "dreamsim"

    @property
    def side(self) -> int:
        """Of the pictures that it was trained on."""
        return 224

    @classmethod
    def of(cls, folder: Path, load: Callable[[Path, str], Network] = by_package) -> DreamSim:
        """Weights of a folder, tried on two pictures.

        Raises:
            NotFound: A file of weights is missing, which the package would download.
            Unavailable: The package is not installed.
            BadInput: The network does not give an embedding of each picture.
        """
        for name in FILES:
            if not (folder / name).exists():
                raise NotFound(
                    f"The weights {name} of DreamSim are not in {folder}, and nothing is "
                    "downloaded.",
                    REMEDY,
                )
        found = cls(folder, _sha256_of_all(folder), load)
        check_embeds(found.network("cpu"), found.side, str(folder), REMEDY)
        return found

    def network(self, device: str) -> Network:
        """See `Backend`.

        Raises:
            Unavailable: The package is not installed.
            UnreadableFile: The package cannot read the weights.
            BadInput: The folder is not as it was when the audit began, or the package fetched
                something into it.
        """
        try:
            made = self.load(self.folder, device)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise UnreadableFile(
                f"DreamSim cannot read the weights in {self.folder}: {first_line(error)}",
                REMEDY,
            ) from error
        if _sha256_of_all(self.folder) != self.sha256:
            raise BadInput(
                f"The weights in {self.folder} changed, or DreamSim fetched what it missed.",
                "Look at the folder, and audit again.",
            )

        def network(pictures: Tensor) -> Tensor:
            # of one picture it gives a vector
            return made(pictures).reshape(len(pictures), -1)

        return network


def _sha256_of_all(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in WEIGHTS and path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()

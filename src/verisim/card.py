"""What a model knows of itself: one card beside its weights, read by all who use the model."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from verisim.diffusion import Generation, Sampling
from verisim.errors import BadCard, NotFound
from verisim.expectation import Expectation
from verisim.files import Color
from verisim.files.atomic import make_folder, replacing
from verisim.files.toml import to_toml
from verisim.networks.averaged import Average
from verisim.networks.clicks import ClickUNet
from verisim.networks.mask_sampler import MaskSampler
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.network import KINDS, Diffusing, Network
from verisim.networks.random_contrast import Chance, RandomContrast
from verisim.networks.stylegan import Latents, StyleGan
from verisim.networks.unet import UNet
from verisim.networks.weights import fill
from verisim.preprocessing import Preprocessing
from verisim.training_record import TrainingRecord

Configuration = Literal["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"]


@dataclass(frozen=True)
class ModelCard:
    """A model: what it finds or makes, how volumes are prepared, which network, which weights.

    Args:
        name: Lower case with dashes, the same on the command line, the server and the panels.
        version: Counts up with every training that was kept.
        kind: The verb it serves.
        description: One sentence for the person who chooses.
        channels: Name of each input channel.
        labels: Name to value, 1..N without gaps, background not listed.
        colors: Name of each label to red, green, blue in 0..1.
        preprocessing: To the network's world.
        patch_size: Spatial shape that the network sees at once.
        network: The network's arguments.
        sampling: How masks come out of noise; of MedSegDiff only.
        generation: How cases come out of noise, of latent vectors, or by chance; of what
            synthesizes only.
        configuration: Which of a plan's networks it is, in nnU-Net's words.
        members: Networks of this shape in the weights' file, whose logits are averaged.
        mirrored_axes: Axes of the network's world along which training mirrored its patches.
        mirroring: Whether the answer averages over mirror images unless asked otherwise; the
            samples of a diffusion model take turns among them.
        temperature: Logits are divided by it before they become probabilities, of samples and of
            ensembles those of their mean (Guo 2017): above 1 where it is surer than it is right.
        keep_largest: Labels of which only the largest connected component is kept.
        keep_largest_foreground: Whether, before, only the largest component of all labels is.
        ensemble: Names of models that answer together in place of this card's network; then
            there are no weights.
        shares: How much each of them counts, adding up to 1; empty: all alike.
        previous: Name of the model of low resolution whose label map this one is given as
            further channels, one a label; empty unless it is the second stage of a cascade.
        sha256: Of the weights' file; empty while untrained.
        training: Where its knowledge comes from.
        figures: Measured on the validation split, e.g. "dice.val.anterior".
        expectations: Of each label, how the Dice that it lets expect is corrected; of a label
            that is not listed it is told as it is.
        seconds_per_volume: Expected on the device of the training.
        folder: Where card and weights lie; not written into the card.
    """

    name: str
    description: str
    channels: tuple[str, ...]
    labels: Mapping[str, int]
    colors: Mapping[str, Color]
    preprocessing: Preprocessing
    patch_size: tuple[int, int, int]
    network: Network
    version: int = 1
    kind: Literal["segmentation", "synthesis", "refinement"] = "segmentation"
    sampling: Sampling | None = None
    generation: Generation | Latents | Chance | None = None
    configuration: Configuration = "3d_fullres"
    members: int = 1
    mirrored_axes: tuple[int, ...] = ()
    mirroring: bool = False
    temperature: float = 1.0
    keep_largest: tuple[str, ...] = ()
    keep_largest_foreground: bool = False
    ensemble: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    previous: str = ""
    sha256: str = ""
    training: TrainingRecord | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    expectations: Mapping[str, Expectation] = field(default_factory=dict)
    seconds_per_volume: float = 0.0
    folder: Path = Path()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        self._check_words()
        self._check_network()

    def _check_words(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name):
            raise BadCard(
                f"{self.name!r} cannot name a model.",
                "Use lower-case letters, digits and dashes, e.g. liver-ct.",
            )
        if sorted(self.labels.values()) != list(range(1, len(self.labels) + 1)):
            raise BadCard(
                f"The labels of {self.name} have the values {sorted(self.labels.values())}.",
                "Number them 1, 2, 3, … without gaps.",
            )
        absent = set(self.keep_largest) - self.labels.keys()
        if absent:
            raise BadCard(
                f"{self.name} keeps the largest part of {', '.join(sorted(absent))}, "
                "which is none of its labels.",
                f"Choose from: {', '.join(self.labels)}.",
            )
        odd = self.shares and (min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-3)
        if odd or len(self.shares) not in (0, len(self.ensemble)):
            raise BadCard(
                f"The shares {self.shares} of {self.name} are not those of its "
                f"{len(self.ensemble)} models.",
                "Give each model a share, adding up to 1, or leave them out.",
            )
        if not 0 < self.temperature < inf:
            raise BadCard(
                f"The probabilities of {self.name} cannot have the temperature "
                f"{self.temperature:g}.",
                "Write a number above 0; 1 changes nothing.",
            )

    def _check_network(self) -> None:
        if isinstance(self.network, MedSegDiff) != (self.sampling is not None):
            raise BadCard(
                f"The card of {self.name} must say how masks are sampled if its network is a "
                "MedSegDiff, and only then.",
                "Write a table [sampling], or leave it out.",
            )
        made = tuple(isinstance(self.generation, one) for one in (Generation, Latents, Chance))
        kinds = (Diffusing, StyleGan, RandomContrast)
        makers = tuple(isinstance(self.network, one) for one in kinds)
        if made != makers or (self.kind == "synthesis") != any(makers):
            raise BadCard(
                f"The card of {self.name} must say kind = synthesis and how cases are generated "
                "if its network makes cases, and only then.",
                "Write a table [generation], or leave both out.",
            )
        if (self.kind == "refinement") != isinstance(self.network, ClickUNet):
            raise BadCard(
                f"{self.name} must be of kind = refinement if its network is told of clicks.",
                "Write the kind that fits the network.",
            )
        if isinstance(self.network, StyleGan) and self.network.patch != self.patch_size:
            raise BadCard(
                f"The network of {self.name} makes cases of {self.network.patch} voxels, its card "
                f"says {self.patch_size}.",
                "Write the one that the other is.",
            )
        if any(size % d for size, d in zip(self.patch_size, self.network.divisor, strict=True)):
            raise BadCard(
                f"The patch size {self.patch_size} of {self.name} does not fit its network.",
                f"Use multiples of {self.network.divisor}.",
            )

    @property
    def classes(self) -> int:
        """Labels and background."""
        return len(self.labels) + 1

    @property
    def inputs(self) -> int:
        """Channels that the network sees: those of the volume, and the labels of a cascade."""
        return len(self.channels) + (len(self.labels) if self.previous else 0)

    @property
    def title(self) -> str:
        """Name and version, as people quote it."""
        return f"{self.name} v{self.version}"

    @property
    def weights_path(self) -> Path:
        """The file of weights beside the card."""
        return self.folder / f"{self.name}-v{self.version}.safetensors"

    @property
    def card_path(self) -> Path:
        """The file of the card."""
        return self.folder / f"{self.name}-v{self.version}.toml"

    def build(self, deep_supervision: bool = False) -> nn.Module:
        """The network without trained weights; of several members, their average."""
        if self.members == 1:
            return self._single(deep_supervision)
        single = replace(self, members=1)
        return Average(single.build() for _ in range(self.members))

    def _single(self, deep_supervision: bool) -> nn.Module:
        if isinstance(self.network, UNet | ClickUNet):
            return self.network.build(self.inputs, self.classes, deep_supervision)
        if isinstance(self.network, Diffusing | StyleGan | RandomContrast):
            return self.network.build(len(self.channels), self.classes)
        denoiser = self.network.build(self.inputs, self.classes)
        return MaskSampler(denoiser, self.sampling or Sampling())

    def load(self) -> nn.Module:
        """The network with its trained weights, ready to predict.

        Raises:
            NotFound: The weights are not beside the card.
            BadCard: The weights are not those that the card describes.
        """
        if not self.weights_path.is_file():
            raise NotFound(
                f"The weights {self.weights_path} of {self.title} are missing.",
                "Install the model again, or train it.",
            )
        if sha256_of(self.weights_path) != self.sha256:
            raise BadCard(
                f"{self.weights_path} is not the file that the card of {self.title} describes.",
                "Copy the weights again, together with their card.",
            )
        network = self.build()
        _fill(network, self.weights_path, self.title)
        return network.eval()


def read_card(path: Path) -> ModelCard:
    """Read a card from its TOML file.

    Raises:
        NotFound: There is no such file.
        BadCard: A field is missing, unknown or of the wrong type; the message names it.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        card = TypeAdapter(ModelCard).validate_python(fields | {"folder": path.parent})
    except FileNotFoundError as error:
        raise NotFound(f"There is no card {path}.", "Check the name.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadCard(f"The card {path} is no TOML file: {error}.", "Copy it again.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in KINDS)
        raise BadCard(
            f"The card {path} has a wrong field {where}: {first['msg']}.", "Correct the card."
        ) from error
    return card


def write_model(card: ModelCard, weights: Mapping[str, Tensor], folder: Path) -> ModelCard:
    """Write weights and card into a folder; the card last, so a listed model is complete.

    Returns:
        The card with the weights' SHA-256 and its folder.
    """
    make_folder(folder)
    placed = replace(card, folder=folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with replacing(placed.weights_path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"card": to_toml(placed, ["folder"])}))
    return write_card(replace(placed, sha256=sha256_of(placed.weights_path)))


def write_card(card: ModelCard) -> ModelCard:
    """Write a card again, beside the weights that are in its folder."""
    with replacing(card.card_path) as temporary:
        temporary.write_text(to_toml(card, ["folder"]), encoding="utf-8")
    return card


def sha256_of(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(network: nn.Module, path: Path, title: str) -> None:
    try:
        fill(network, load_file(path))
    except (SafetensorError, ValueError) as error:
        raise BadCard(
            f"The weights {path} do not fit the network of {title}: {error}.",
            "Copy the weights again, together with their card.",
        ) from error

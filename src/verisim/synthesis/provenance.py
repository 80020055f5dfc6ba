"""Where a synthetic case comes from: enough to make it again, and no word about patients."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from verisim import __version__
from verisim.card import ModelCard
from verisim.diffusion import Generation
from verisim.files.marks import MARK
from verisim.networks.network import attributes_of
from verisim.networks.random_contrast import Chance
from verisim.networks.stylegan import Latents
from verisim.volume import LabelMap, Volume


@dataclass(frozen=True)
class Provenance:
    """What a synthetic case was made by; the same words make the same voxels again.

    Args:
        generator: Name and version of the model.
        sha256: Of its weights; empty where nothing was learned.
        seed: Of the set.
        number: Of the case in its set, from 0.
        solver: The sampler; empty where nothing is sampled.
        steps: From noise to the image.
        guidance: How strongly the image follows the label map.
        precision: "auto" or "single"; the same voxels on every machine need single.
        truncation: How far styles of a StyleGAN go from their mean; 0 of what has none.
        labels: "made" by the generator, or "given".
        labels_sha256: Of the voxels of a given label map.
        trained_on: Name of the data set that the generator learned from.
        training_cases: How many of its cases.
        training_sha256: Fingerprint of what it learned from, which names nobody.
        attributes: Name to value of what was asked for beside the labels.
        attribute_guidance: How strongly what is made first follows them; 0 where none are asked.
        version: Of verisim.
        synthetic: Always true.
    """

    generator: str
    sha256: str
    seed: int
    number: int
    solver: str
    steps: int
    guidance: float
    truncation: float
    precision: str
    labels: str
    labels_sha256: str
    trained_on: str
    training_cases: int
    training_sha256: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    attribute_guidance: float = 0.0
    version: str = __version__
    synthetic: bool = True

    @property
    def name(self) -> str:
        """Of the case's files."""
        # one folder may hold the same number as small and as large
        asked = "".join(f"_{_plain(name)}-{_plain(one)}" for name, one in self.attributes.items())
        model = self.generator.replace(" ", "-")
        return f"{MARK.lower()}_{model}{asked}_s{self.seed}_{self.number:05}"

    @property
    def description(self) -> str:
        """In few words, for a header."""
        asked = "".join(f" {name} {value}" for name, value in self.attributes.items())
        return f"{MARK} {self.generator} seed {self.seed} number {self.number}{asked}"

    @property
    def told(self) -> dict[str, object]:
        """All of it that says something: what nobody asked for is left out."""
        said = asdict(self)
        if not self.attributes:
            del said["attributes"], said["attribute_guidance"]
        return said

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.told, indent=1) + "\n"


def provenance_of(
    card: ModelCard, number: int, precision: str, given: LabelMap | None
) -> Provenance:
    """What a case is made by.

    Args:
        card: The generator, with the wish of how it samples.
        number: Of the case.
        precision: How exactly it computes.
        given: The label map that the image is made for; None: one is made.
    """
    generation, training = card.generation, card.training
    sampled = generation if isinstance(generation, Generation) else None
    return Provenance(
        generator=card.title,
        sha256=card.sha256,
        seed=generation.seed if generation else 0,
        number=number,
        solver=sampled.solver if sampled else "",
        steps=sampled.steps if sampled else 0,
        guidance=sampled.guidance if sampled else 0.0,
        truncation=generation.truncation if isinstance(generation, Latents) else 0.0,
        precision=precision,
        labels="made" if given is None else "given",
        labels_sha256="" if given is None else sha256_of_voxels(given),
        trained_on=training.data if training else "",
        training_cases=training.cases if training else 0,
        training_sha256=training.fingerprint if training else "",
        attributes=_in_order(card, sampled.attributes) if sampled else {},
        attribute_guidance=sampled.attribute_guidance if sampled and sampled.attributes else 0.0,
    )


def warning_of(card: ModelCard) -> str:
    """What must be known before cases of a model are handed on."""
    if isinstance(card.generation, Chance):
        return "Their shapes are those of the label maps, a little bent: as private as these are."
    return "Not audited: these cases may copy training patients. Do not share them yet."


def _in_order(card: ModelCard, asked: Mapping[str, str]) -> dict[str, str]:
    """What is asked in the order of the card, however it was said."""
    known = attributes_of(card.network)
    return {one.name: asked[one.name] for one in known if one.name in asked}


def _plain(word: str) -> str:
    """A word that may be part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", word)


def sha256_of_voxels(volume: Volume) -> str:
    """Checksum of the voxels and of where they lie, whatever file they are in."""
    array = volume.array
    digest = hashlib.sha256(str((array.shape, array.dtype.str)).encode())
    digest.update(volume.affine.round(6).tobytes())
    digest.update(array.tobytes())
    return digest.hexdigest()

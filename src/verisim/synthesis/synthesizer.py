"""From a model's card to synthetic cases, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import nibabel
import numpy as np
import torch

from verisim.card import ModelCard
from verisim.diffusion import Generation
from verisim.errors import BadCard, BadInput
from verisim.networks.attributes import told
from verisim.networks.case_diffusion import CaseGenerator
from verisim.networks.network import attributes_of
from verisim.networks.random_contrast import Chance, RandomContrast
from verisim.networks.stylegan import Latents, StyleGenerator
from verisim.planning.explain import sides
from verisim.precision import laid_out
from verisim.progress import SILENT, Part, Progress
from verisim.synthesis.contrasting import ContrastMaker
from verisim.synthesis.given import check_given
from verisim.synthesis.making import DiffusionMaker, Maker, Making, Request, Watcher
from verisim.synthesis.preview import nobody
from verisim.synthesis.provenance import Provenance, provenance_of
from verisim.synthesis.styling import StyleMaker
from verisim.volume import Array, LabelMap, Volume

MEAN, DEVIATION = 500.0, 150.0
"""Of the intensities of a synthetic image, in arbitrary units, as those of MRI are."""

MOST_CASES = 100_000
"""Of one set: the numbers of two sets never give the same noise."""


@dataclass(frozen=True)
class SyntheticCase:
    """A case of nobody.

    Args:
        volume: The image, 16-bit integers in arbitrary units.
        label_map: On the same voxels.
        provenance: Where it comes from.
        evaluations: Of the network that made the image.
    """

    volume: Volume
    label_map: LabelMap
    provenance: Provenance
    evaluations: int


@dataclass(frozen=True)
class Synthesizer:
    """Makes cases by one model; case number k is the same whoever makes it, and beside which.

    Args:
        card: The model.
        device: Where to compute.
        precision: "auto": bfloat16 where the processor multiplies it in hardware; "single": the
            same voxels on every machine.
        watch: Is shown each guess of a diffusion model.

    Raises:
        BadCard: The model makes no cases.
        NotFound: Its weights are not there.
    """

    card: ModelCard
    device: str = "cpu"
    precision: Literal["auto", "single"] = "auto"
    watch: Watcher = field(default=nobody, repr=False)
    maker: Maker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        maker = maker_of(self.card, self.device, self.precision)
        if isinstance(maker, DiffusionMaker):
            maker = replace(maker, watch=self.watch)
        object.__setattr__(self, "maker", maker)

    def __call__(
        self,
        numbers: Sequence[int],
        label_maps: Sequence[LabelMap] = (),
        progress: Progress = SILENT,
    ) -> Iterator[SyntheticCase]:
        """The cases with some numbers.

        Args:
            numbers: Which cases of the endless set that a seed means, from 0.
            label_maps: What the images shall show, one after the other, again and again; without
                any the model makes its own.
            progress: Hears of every step; may cancel between two.

        Raises:
            BadInput: A number is negative, or a label map is larger than what the model makes.
            Diverged: A step gave numbers that are none.
        """
        for number in numbers:
            if not 0 <= number < MOST_CASES:
                raise BadInput(
                    f"A set has no case number {number}.", f"Ask for 0 to {MOST_CASES - 1}."
                )
        check_given(self.card, len(label_maps))
        for label_map in label_maps:
            self._check(label_map)
        for k, number in enumerate(numbers):
            part = Part(progress, k, len(numbers), "case")
            yield self._case(number, _turn(number, label_maps), part)

    def provenance(self, number: int, label_maps: Sequence[LabelMap] = ()) -> Provenance:
        """Where a case comes from, made already or not; see `__call__`."""
        return provenance_of(self.card, number, self.precision, _turn(number, label_maps))

    def _case(self, number: int, given: LabelMap | None, progress: Progress) -> SyntheticCase:
        seed = self.card.generation.seed if self.card.generation else 0
        grid = None if given is None else on_grid(self.card, given)
        labels = None if grid is None else torch.from_numpy(grid.array.astype(np.int64))
        made = self.maker(Request(seed * MOST_CASES + number, labels), progress)
        about = provenance_of(self.card, number, self.precision, given)
        volume = Volume(_intensities(made), self._affine if grid is None else grid.affine)
        label_map = self._label_map(made, volume.affine)
        if given is not None:  # the answer lies on the voxels of the question
            bent = grid is not None and not np.array_equal(label_map.array, grid.array)
            volume = volume.resampled_like(given)
            label_map = label_map.resampled_like(given) if bent else given
        return SyntheticCase(volume, label_map, about, made.evaluations)

    def _label_map(self, made: Making, affine: Array) -> LabelMap:
        array = made.labels.cpu().numpy()
        kind = np.min_scalar_type(len(self.card.labels))
        return LabelMap(array.astype(kind), affine, self.card.labels)

    @property
    def _affine(self) -> Array:
        """A grid of the model's spacing and axes, whose first voxel is the origin."""
        axes = nibabel.orientations.axcodes2ornt(self.card.preprocessing.orientation or "RAS")
        turn = nibabel.orientations.inv_ornt_aff(axes, (1, 1, 1))
        affine: Array = np.diag([1.0, 1, 1, 1])
        # slices are learned from as thick as they are: new ones are as thick as a pixel is long
        spacing = np.array(self.card.preprocessing.spacing_mm)
        spacing[spacing == 0] = spacing.max() or 1.0
        affine[:3, :3] = np.linalg.inv(turn[:3, :3]) * spacing
        return affine

    def _check(self, label_map: LabelMap) -> None:
        """Refuse what the model cannot make an image for."""
        if not self.maker.takes_labels:
            raise BadInput(
                f"{self.card.title} makes image and labels together, so none can be given.",
                "Take a diffusion model that was trained without --joint.",
            )
        absent = self.card.labels.keys() - label_map.labels.keys()
        if absent:
            raise BadInput(
                f"The label map has no label {', '.join(sorted(absent))}, which "
                f"{self.card.title} shows; it has: {', '.join(label_map.labels)}.",
                "Name its labels as the model does.",
            )
        shape, most = on_grid(self.card, label_map).spatial_shape, self.card.patch_size
        if not fits(self.card, label_map):
            raise BadInput(
                f"The label map has {sides(shape)} voxels of the model's size, "
                f"{self.card.title} makes {sides(most)} at most.",
                "Crop it to the part that the model shows.",
            )


def wished(card: ModelCard, **wish: object) -> ModelCard:
    """The card with those settings of its generation that are said: not None, and not empty.

    Raises:
        BadInput: One is out of bounds, or no setting of such a model, or an attribute that it
            does not know.
    """
    given: dict[str, Any] = {name: one for name, one in wish.items() if one not in (None, {})}
    if card.generation is None:
        return card
    known = [one.name for one in fields(card.generation) if one.name != "student"]
    if odd := [name for name in given if name not in known]:
        raise BadInput(
            f"{card.title} has no setting {', '.join(odd)}.",
            f"Leave it out; its settings are: {', '.join(known)}.",
        )
    told(attributes_of(card.network), given.get("attributes", {}))
    return replace(card, generation=replace(card.generation, **given))


def _turn(number: int, label_maps: Sequence[LabelMap]) -> LabelMap | None:
    """Label maps take turns by the number of the case."""
    return label_maps[number % len(label_maps)] if label_maps else None


def on_grid(card: ModelCard, label_map: LabelMap) -> LabelMap:
    """A label map with the axes, the spacing and the values of a model."""
    axes = card.preprocessing.orientation or label_map.orientation
    turned = label_map.reoriented(axes)
    x, y, z = (
        wanted or own
        for wanted, own in zip(card.preprocessing.spacing_mm, turned.spacing_mm, strict=True)
    )
    return turned.resampled((x, y, z)).valued(card.labels)


def fits(card: ModelCard, label_map: LabelMap) -> bool:
    """Whether a model makes images as large as a label map."""
    shape = on_grid(card, label_map).spatial_shape
    return all(n <= side for n, side in zip(shape, card.patch_size, strict=True))


def maker_of(card: ModelCard, device: str, precision: str) -> Maker:
    """What makes the cases of a card.

    Raises:
        BadCard: The model makes none.
        NotFound: Its weights are not there.
    """
    if card.generation is None:
        raise BadCard(
            f"{card.title} segments and makes no cases.",
            "Choose a model of the kind synthesis; `verisim models` lists them.",
        )
    if isinstance(card.network, RandomContrast) and isinstance(card.generation, Chance):
        return ContrastMaker(card.network.tissues, card.generation, len(card.channels))
    network = laid_out(card.load().to(device), device)
    exact = precision == "single"
    if isinstance(card.generation, Latents):
        assert isinstance(network, StyleGenerator), "the card was checked"
        return StyleMaker(network, card.generation, card.patch_size, exact)
    assert isinstance(card.generation, Generation), "the card was checked"
    assert isinstance(network, CaseGenerator), "the card was checked"
    return DiffusionMaker(network, card.generation, card.patch_size, exact)


def _intensities(made: Making) -> Array:
    """Whole numbers (X, Y, Z), or (C, X, Y, Z) of several channels."""
    image = (MEAN + DEVIATION * made.image.float()).round().clamp(0, 32767)
    array: Array = image.cpu().numpy().astype(np.int16)
    return array[0] if len(array) == 1 else array

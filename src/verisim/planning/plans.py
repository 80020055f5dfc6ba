"""A plan: which networks suit a data set, in a file that a person reads and edits."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from verisim.card import Configuration as Name
from verisim.card import ModelCard
from verisim.errors import BadInput, BadPlan, NotFound
from verisim.files.atomic import make_folder, replacing
from verisim.files.segments import color_of
from verisim.files.toml import to_toml
from verisim.fingerprint import Intensities
from verisim.planning.configuration import Configuration
from verisim.planning.memory import PresetName
from verisim.planning.topology import Sizes

CORRECT = "Correct the plan, or make it anew with verisim plan."


@dataclass(frozen=True)
class Plan:
    """All networks that suit a data set (Isensee 2021).

    Args:
        data: Name of the data set.
        channels: Name of each input channel.
        labels: Name to value, background not listed.
        cases: How many the plan was made from.
        memory_gb: Of the graphics card it is made for.
        preset: "plain" for nnU-Net's own U-Net, "residual" for its ResEnc M.
        median_spacing_mm: Of the cases as they are.
        median_shape: Voxels of the median case, its zero border cut away.
        relative_size: Share of the median case that was left after cutting.
        intensities: Of the foreground, for each channel.
        configurations: The networks.

    Raises:
        BadPlan: The numbers contradict each other.
    """

    data: str
    channels: tuple[str, ...]
    labels: Mapping[str, int]
    cases: int
    memory_gb: float
    preset: PresetName
    median_spacing_mm: Sizes
    median_shape: Sizes
    relative_size: float
    intensities: tuple[Intensities, ...]
    configurations: tuple[Configuration, ...]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if not self.configurations or len(set(self.names)) < len(self.names):
            raise BadPlan(
                f"The plan of {self.data} has the configurations {', '.join(self.names)}.",
                "Name each once, and one at least.",
            )
        for one in self.configurations:
            if one.previous and one.previous not in self.names:
                raise BadPlan(f"{one.name} follows {one.previous}, which is not there.", CORRECT)
            if len(one.preprocessing.normalization) != len(self.channels):
                raise BadPlan(
                    f"{one.name} normalizes {len(one.preprocessing.normalization)} channels, "
                    f"the data has {len(self.channels)}.",
                    CORRECT,
                )

    @property
    def names(self) -> tuple[Name, ...]:
        """Of the configurations."""
        return tuple(one.name for one in self.configurations)

    @property
    def default(self) -> Configuration:
        """Full resolution in 3-D; slices where there is no depth."""
        return self.configuration("3d_fullres" if "3d_fullres" in self.names else self.names[0])

    def configuration(self, name: str) -> Configuration:
        """The configuration of that name.

        Raises:
            BadInput: The plan has none.
        """
        found = [one for one in self.configurations if one.name == name]
        if not found:
            raise BadInput(
                f"The plan of {self.data} has no configuration {name!r}.",
                f"Choose one of: {', '.join(self.names)}.",
            )
        return found[0]

    def card(
        self, name: str, configuration: Configuration | None = None, previous: str = ""
    ) -> ModelCard:
        """An untrained model.

        Args:
            name: Of the model, lower case with dashes.
            configuration: One of the plan's, or a lighter one; the default if none is given.
            previous: Name of the model of low resolution, for a cascade's second stage.

        Raises:
            BadInput: A cascade's second stage without a first, or a first without a second.
            BadCard: The name or the labels are none for a model.
        """
        chosen = configuration or self.default
        if bool(chosen.previous) != bool(previous):
            raise BadInput(
                f"The configuration {chosen.name} follows {chosen.previous or 'no other'}.",
                "Name the trained model that it follows." if chosen.previous else "Name none.",
            )
        return ModelCard(
            name=name,
            description=f"Segments {', '.join(self.labels)} in {', '.join(self.channels)}.",
            channels=self.channels,
            labels=self.labels,
            colors={label: color_of(k) for k, label in enumerate(self.labels)},
            preprocessing=chosen.preprocessing,
            patch_size=chosen.patch_size,
            network=chosen.network,
            configuration=chosen.name,
            previous=previous,
        )

    def write(self, path: Path) -> None:
        """Write the plan as TOML.

        Raises:
            StorageFailed: The disk refused; nothing is left behind.
        """
        text = to_toml(self)
        make_folder(path.parent)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def read_plan(path: Path) -> Plan:
    """Read a plan from its TOML file.

    Raises:
        NotFound: There is no such file.
        BadPlan: A field is missing, unknown, of the wrong type, or contradicts another; the
            message names it.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        plan = TypeAdapter(Plan).validate_python(fields)
    except FileNotFoundError as error:
        raise NotFound(f"There is no plan {path}.", "Check the name.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadPlan(f"The plan {path} is no TOML file: {error}.", CORRECT) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadPlan(
            f"The plan {path} has a wrong field {where}: {first['msg']}.", CORRECT
        ) from error
    unknown = _unknown(fields, asdict(plan))
    if unknown:
        raise BadPlan(f"The plan {path} has a field {unknown[0]} that means nothing.", CORRECT)
    return plan


def _unknown(written: object, understood: object, where: str = "") -> list[str]:
    """Dotted names of written fields that reading dropped: a typing error must not pass."""
    if isinstance(written, dict) and isinstance(understood, dict):
        lost = [f"{where}{key}" for key in written if key not in understood]
        shared = [
            (f"{where}{key}.", written[key], understood[key])
            for key in written.keys() & understood.keys()
        ]
    elif isinstance(written, list) and isinstance(understood, tuple):
        lost = []
        shared = [
            (f"{where}{k}.", *pair) for k, pair in enumerate(zip(written, understood, strict=True))
        ]
    else:
        return []
    return lost + [name for inner, a, b in shared for name in _unknown(a, b, inner)]

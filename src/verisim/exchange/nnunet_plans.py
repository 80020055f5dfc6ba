"""The two descriptions in a model folder of nnU-Net v2: plans.json and dataset.json.

Only the fields that decide an answer are named; nnU-Net's class names stay words, and nothing
that they name is ever imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from verisim.errors import NotFound, UnreadableFile, UnsupportedModel

ARCHITECTURES = "dynamic_network_architectures.architectures.unet."
"""The module whose classes both programs build."""

RESAMPLING = "resample_data_or_seg_to_shape"
"""nnU-Net's own resampling, the only one that exists here too."""


Point = tuple[float, float, float]


class Described(BaseModel):
    """A part of a description; what is not named in it is not needed."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Resampling(Described):
    """How a resampling is called.

    Args:
        is_seg: Whether each label is resampled for itself.
        order: Of the spline within slices.
        order_z: Of the spline across slices that lie far apart.
        force_separate_z: Whether slices are apart; None where the spacing decides.
    """

    is_seg: bool = False
    order: int = 3
    order_z: int = 0
    force_separate_z: bool | None = False


class NetworkArguments(BaseModel):
    """Of PlainConvUNet or ResidualEncoderUNet; an argument that is not listed is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_stages: int
    features_per_stage: tuple[int, ...]
    conv_op: str
    kernel_sizes: tuple[tuple[int, ...], ...]
    strides: tuple[tuple[int, ...], ...]
    n_conv_per_stage: int | tuple[int, ...] | None = None
    n_blocks_per_stage: int | tuple[int, ...] | None = None
    n_conv_per_stage_decoder: int | tuple[int, ...]
    conv_bias: bool = False
    norm_op: str | None = None
    norm_op_kwargs: Mapping[str, Any] | None = None
    dropout_op: str | None = None
    dropout_op_kwargs: Mapping[str, Any] | None = None
    nonlin: str | None = None
    nonlin_kwargs: Mapping[str, Any] | None = None

    @model_serializer(mode="wrap")
    def _one_kind_of_depth(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The class that is not meant would refuse the other's argument."""
        fields: dict[str, Any] = write(self)
        absent = "n_conv_per_stage" if self.n_conv_per_stage is None else "n_blocks_per_stage"
        del fields[absent]
        return fields


class Architecture(Described):
    """A network's class, by its dotted name, and its arguments: NetworkArguments for a U-Net."""

    network_class_name: str
    arch_kwargs: Mapping[str, Any]
    requires_import: tuple[str, ...] = Field(
        default=("conv_op", "norm_op", "dropout_op", "nonlin"), alias="_kw_requires_import"
    )


class Configuration(Described):
    """One of a plan's networks, with its preprocessing; lists run along the network's axes."""

    data_identifier: str = ""
    preprocessor_name: str = "DefaultPreprocessor"
    batch_size: int = 2
    patch_size: tuple[int, ...]
    median_image_size_in_voxels: tuple[float, ...] = ()
    spacing: tuple[float, ...]
    normalization_schemes: tuple[str, ...]
    use_mask_for_norm: tuple[bool | None, ...]
    resampling_fn_data: str = RESAMPLING
    resampling_fn_seg: str = RESAMPLING
    resampling_fn_probabilities: str = RESAMPLING
    resampling_fn_data_kwargs: Resampling
    resampling_fn_seg_kwargs: Resampling
    resampling_fn_probabilities_kwargs: Resampling
    architecture: Architecture
    batch_dice: bool = False
    previous_stage: str | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _of_any_version(
        cls, fields: object, read: ModelWrapValidatorHandler[Configuration]
    ) -> Configuration:
        """The first plans of nnU-Net v2 describe the network in other words."""
        if not isinstance(fields, Mapping) or "UNet_class_name" not in fields:
            return read(fields)
        try:
            return read({**fields, "architecture": _first_architecture(fields)})
        except (KeyError, TypeError) as error:
            # pydantic tells of a ValueError like of its own
            raise ValueError(f"the network is incomplete: {error}") from error


class Intensities(Described):
    """Statistics of one channel over the foreground of the training data."""

    max: float = 0.0
    mean: float = 0.0
    median: float = 0.0
    min: float = 0.0
    percentile_00_5: float = 0.0
    percentile_99_5: float = 0.0
    std: float = 1.0


class Plans(Described):
    """plans.json."""

    dataset_name: str
    plans_name: str = "nnUNetPlans"
    original_median_spacing_after_transp: Point
    original_median_shape_after_transp: Point
    image_reader_writer: str
    transpose_forward: tuple[int, int, int]
    transpose_backward: tuple[int, int, int]
    configurations: Mapping[str, Mapping[str, Any]]
    experiment_planner_used: str = "ExperimentPlanner"
    label_manager: str = "LabelManager"
    foreground_intensity_properties_per_channel: Mapping[str, Intensities] = Field(
        default_factory=dict,
        validation_alias=AliasChoices(
            "foreground_intensity_properties_per_channel",
            "foreground_intensity_properties_by_modality",
        ),
    )

    def configuration(self, name: str) -> Configuration:
        """One configuration, with all that it inherits.

        Raises:
            UnsupportedModel: The plans have none of this name, or it inherits from itself.
            UnreadableFile: A field is missing or of the wrong type.
        """
        fields: dict[str, Any] = {}
        visited: list[str] = []
        while name:
            if name not in self.configurations or name in visited:
                raise UnsupportedModel(
                    f"The plans have no configuration {name!r}"
                    f"{' that does not inherit from itself' * (name in visited)}, "
                    f"only: {', '.join(self.configurations)}.",
                    "Copy the plans.json that belongs to these checkpoints.",
                )
            visited.append(name)
            fields = {**self.configurations[name], **fields}
            name = str(self.configurations[name].get("inherits_from", ""))
        return _valid(Configuration, fields, f"configuration {visited[0]} of plans.json")


class DatasetDescription(Described):
    """dataset.json; nnU-Net ignores the extent, which only an exported model has."""

    name: str = ""
    description: str = ""
    licence: str = Field(default="", validation_alias=AliasChoices("licence", "license"))
    channel_names: Mapping[str, str] = Field(
        validation_alias=AliasChoices("channel_names", "modality")
    )
    labels: Mapping[str, int | tuple[int, ...]]
    numTraining: int = 0  # the file's own word
    file_ending: str = ".nii.gz"
    extent_mm: tuple[Point, Point] | None = None


class Fingerprint(Described):
    """dataset_fingerprint.json: shapes and spacings of every case, along the reader's axes."""

    shapes_after_crop: tuple[Point, ...] = ()
    spacings: tuple[Point, ...] = ()


Description = TypeVar("Description", bound=Described)


def read_description(kind: type[Description], path: Path) -> Description:
    """Read one of the files.

    Raises:
        NotFound: There is no such file.
        UnreadableFile: It is no JSON, or a field is missing or of the wrong type.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}.",
            "Give the folder that nnU-Net trained: plans.json, dataset.json and fold_0 lie in it.",
        ) from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _unreadable(error, str(path)) from error


def _valid(kind: type[Description], fields: Mapping[str, Any], where: str) -> Description:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _unreadable(error, where) from error


def _unreadable(error: ValidationError, where: str) -> UnreadableFile:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return UnreadableFile(
        f"{where} has a field {field or 'without name'} that cannot be understood: "
        f"{first['msg']}.",
        "Copy the folder again as nnU-Net wrote it.",
    )


def _first_architecture(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The network of plans of 2023 in today's words, as nnU-Net's own plans handler has it."""
    kind, patch = str(fields["UNet_class_name"]), fields["patch_size"]
    depths = fields["n_conv_per_stage_encoder"]
    dimensions = f"{len(patch)}d"
    return {
        "network_class_name": ARCHITECTURES + kind,
        "arch_kwargs": {
            "n_stages": len(depths),
            "features_per_stage": [
                min(fields["UNet_base_num_features"] * 2**stage, fields["unet_max_num_features"])
                for stage in range(len(depths))
            ],
            "conv_op": f"torch.nn.modules.conv.Conv{dimensions}",
            "kernel_sizes": fields["conv_kernel_sizes"],
            "strides": fields["pool_op_kernel_sizes"],
            "n_conv_per_stage" if kind == "PlainConvUNet" else "n_blocks_per_stage": depths,
            "n_conv_per_stage_decoder": fields["n_conv_per_stage_decoder"],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
    }

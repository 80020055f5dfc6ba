"""A U-Net in nnU-Net's words and in ours: the classes are the same, only axes differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from verisim.errors import UnsupportedModel
from verisim.exchange.axes import Axes
from verisim.exchange.nnunet_plans import ARCHITECTURES, Architecture, NetworkArguments
from verisim.networks.unet import UNet

PLAIN, RESIDUAL = "PlainConvUNet", "ResidualEncoderUNet"
"""The two classes of nnU-Net's presets."""

NORM: Mapping[str, Any] = {"eps": 1e-5, "affine": True}
NONLIN: Mapping[str, Any] = {"inplace": True}
"""What all of nnU-Net's planners give to normalization and activation."""

REMEDY = "Use nnU-Net itself for this model, or train it with one of nnU-Net's own planners."


def imported_network(architecture: Architecture, axes: Axes) -> UNet:
    """Our network from a plan's.

    Raises:
        UnsupportedModel: Another class, normalization, activation, or dropout; named.
    """
    _check_class(architecture)
    given = _arguments(architecture)
    _check_arguments(given, axes)
    residual = architecture.network_class_name.endswith(RESIDUAL)
    depths = given.n_blocks_per_stage if residual else given.n_conv_per_stage
    if depths is None:
        raise UnsupportedModel("The plans do not say how deep each stage of the network is.")
    return UNet(
        features=given.features_per_stage,
        strides=tuple(axes.imported(stride, 1) for stride in given.strides),
        kernel_sizes=tuple(axes.imported(kernel, 1) for kernel in given.kernel_sizes),
        convolutions=_once(depths),
        decoder_convolutions=_once(given.n_conv_per_stage_decoder),
        residual=residual,
    )


def exported_network(network: UNet, axes: Axes) -> Architecture:
    """A plan's network from ours."""
    dimensions = f"{3 - axes.flat}d"
    arguments = NetworkArguments(
        n_stages=network.stages,
        features_per_stage=network.features,
        conv_op=f"torch.nn.modules.conv.Conv{dimensions}",
        kernel_sizes=tuple(axes.exported(kernel) for kernel in network.kernel_sizes),
        strides=tuple(axes.exported(stride) for stride in network.strides),
        n_conv_per_stage=None if network.residual else network.encoder_depths,
        n_blocks_per_stage=network.encoder_depths if network.residual else None,
        n_conv_per_stage_decoder=network.decoder_depths,
        conv_bias=True,
        norm_op=f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}",
        norm_op_kwargs=NORM,
        nonlin="torch.nn.LeakyReLU",
        nonlin_kwargs=NONLIN,
    )
    return Architecture(
        network_class_name=ARCHITECTURES + (RESIDUAL if network.residual else PLAIN),
        arch_kwargs=arguments.model_dump(mode="json"),
    )


def _check_class(architecture: Architecture) -> None:
    path, _, name = architecture.network_class_name.rpartition(".")
    if name not in (PLAIN, RESIDUAL) or not path.startswith("dynamic_network_architectures."):
        raise UnsupportedModel(
            f"The network is of the class {architecture.network_class_name}; "
            f"only {PLAIN} and {RESIDUAL} exist here.",
            REMEDY,
        )


def _arguments(architecture: Architecture) -> NetworkArguments:
    try:
        return NetworkArguments.model_validate(architecture.arch_kwargs)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UnsupportedModel(
            f"The network has the argument {field} = {first['input']!r}, which does not exist "
            f"here: {first['msg']}.",
            REMEDY,
        ) from error


def _check_arguments(given: NetworkArguments, axes: Axes) -> None:
    dimensions = f"{3 - axes.flat}d"
    rules = (
        ("conv_op", given.conv_op, f"Conv{dimensions}"),
        ("norm_op", given.norm_op, f"InstanceNorm{dimensions}"),
        ("norm_op_kwargs", given.norm_op_kwargs, NORM),
        ("dropout_op", given.dropout_op, None),
        ("nonlin", given.nonlin, "LeakyReLU"),
        ("nonlin_kwargs", given.nonlin_kwargs, NONLIN),
        ("conv_bias", given.conv_bias, True),
    )
    for name, value, expected in rules:
        # classes move between modules, their names stay
        found = value.rpartition(".")[2] if isinstance(value, str) else value
        if found != expected:
            raise UnsupportedModel(
                f"The network has {name} = {value!r}; the networks here have {expected!r}.",
                REMEDY,
            )


def _once(depths: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all stages have the same: a person reads it better in the card."""
    if isinstance(depths, int) or len(set(depths)) != 1:
        return depths
    return depths[0]

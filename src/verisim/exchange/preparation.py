"""Reader, normalization and resampling in nnU-Net's words and in ours."""

from __future__ import annotations

import warnings

from verisim.card import ModelCard
from verisim.errors import UnsupportedModel, VerisimWarning
from verisim.exchange.axes import Axes
from verisim.exchange.nnunet_plans import (
    RESAMPLING,
    Configuration,
    Intensities,
    Plans,
    Resampling,
)
from verisim.normalization import Normalization
from verisim.preprocessing import Preprocessing

ORIENTATIONS = {
    "SimpleITKIO": "",
    "NibabelIO": "",
    "SimpleITKIOWithReorient": "RAS",
    "NibabelIOWithReorient": "RAS",
}
"""Where each of nnU-Net's readers lets the axes point; empty for as they are stored."""

READERS = {"": "SimpleITKIO", "RAS": "NibabelIOWithReorient"}
"""The reader that does what our orientation says."""

SCHEMES = {
    "ZScoreNormalization": "z-score",
    "CTNormalization": "ct",
    "RescaleTo01Normalization": "0-1",
    "RGBTo01Normalization": "rgb",
    "NoNormalization": "none",
}
"""nnU-Net's classes of normalization."""

CUBIC, LINEAR = 3, 1

REMEDY = "Use nnU-Net itself for this model."


def imported_preparation(plans: Plans, configuration: Configuration, axes: Axes) -> Preprocessing:
    """Our preprocessing from a plan's.

    Raises:
        UnsupportedModel: A reader, preprocessor, normalization or resampling that does not exist
            here; named.
    """
    if plans.image_reader_writer not in ORIENTATIONS:
        raise UnsupportedModel(
            f"The plans read images with {plans.image_reader_writer}; "
            f"only what {', '.join(ORIENTATIONS)} read can be read here.",
            REMEDY,
        )
    if configuration.preprocessor_name != "DefaultPreprocessor":
        raise UnsupportedModel(
            f"The plans prepare images with {configuration.preprocessor_name}, "
            "only DefaultPreprocessor is known here.",
            REMEDY,
        )
    return Preprocessing(
        orientation=ORIENTATIONS[plans.image_reader_writer],
        spacing_mm=axes.imported(configuration.spacing, 0.0),
        normalization=_imported_normalizations(plans, configuration),
        crop=True,
        order=_imported_order(configuration),
    )


def reader_of(card: ModelCard) -> str:
    """The reader of nnU-Net's that turns volumes as the model's preprocessing does.

    Raises:
        UnsupportedModel: nnU-Net has none.
    """
    orientation = card.preprocessing.orientation
    if orientation not in READERS:
        raise UnsupportedModel(
            f"{card.title} turns volumes to {orientation}; nnU-Net turns them to RAS or not.",
            "Train the model with the orientation RAS.",
        )
    if not card.preprocessing.crop:
        warnings.warn(
            f"nnU-Net cuts a border of zeros away, {card.title} does not: volumes with such a "
            "border may be answered differently.",
            VerisimWarning,
            stacklevel=2,
        )
    return READERS[orientation]


def resampling_of(card: ModelCard) -> Resampling:
    """How nnU-Net resamples intensities as the model's preprocessing does."""
    order = card.preprocessing.order
    return Resampling(is_seg=False, order=order, order_z=0, force_separate_z=None)


def exported_normalizations(card: ModelCard) -> tuple[Normalization, ...]:
    """One normalization for each channel."""
    steps = card.preprocessing.normalization
    return steps * len(card.channels) if len(steps) == 1 else steps


def scheme_of(step: Normalization) -> str:
    """nnU-Net's class for a normalization."""
    return next(scheme for scheme, kind in SCHEMES.items() if kind == step.kind)


def intensities_of(step: Normalization) -> Intensities:
    """The statistics that nnU-Net's CT normalization takes from the plans."""
    return Intensities(
        min=step.low,
        max=step.high,
        mean=step.mean,
        median=step.mean,
        std=step.std,
        percentile_00_5=step.low,
        percentile_99_5=step.high,
    )


def _imported_normalizations(
    plans: Plans, configuration: Configuration
) -> tuple[Normalization, ...]:
    schemes, masks = configuration.normalization_schemes, configuration.use_mask_for_norm
    if len(schemes) != len(masks):
        raise UnsupportedModel(
            f"The plans name {len(schemes)} normalizations and {len(masks)} masks for them.",
            "Copy the plans.json that belongs to these checkpoints.",
        )
    return tuple(
        _normalization(plans, channel, scheme, bool(masked))
        for channel, (scheme, masked) in enumerate(zip(schemes, masks, strict=True))
    )


def _normalization(plans: Plans, channel: int, scheme: str, masked: bool) -> Normalization:
    match SCHEMES.get(scheme):
        case "z-score":
            return Normalization("z-score", masked=masked)
        case "ct":
            return _ct(plans, channel)
        case "0-1":
            return Normalization("0-1")
        case "rgb":
            return Normalization("rgb")
        case "none":
            return Normalization("none")
    raise UnsupportedModel(
        f"Channel {channel} is normalized by {scheme}; only {', '.join(SCHEMES)} exist here.",
        REMEDY,
    )


def _ct(plans: Plans, channel: int) -> Normalization:
    seen = plans.foreground_intensity_properties_per_channel.get(str(channel))
    if seen is None:
        raise UnsupportedModel(
            f"Channel {channel} is CT, but the plans do not give its mean and percentiles.",
            "Copy the plans.json that belongs to these checkpoints.",
        )
    return Normalization(
        "ct", mean=seen.mean, std=seen.std, low=seen.percentile_00_5, high=seen.percentile_99_5
    )


def _imported_order(configuration: Configuration) -> int:
    """The order of the data's spline, after checking that nothing else is unusual."""
    calls = (
        ("data", configuration.resampling_fn_data, configuration.resampling_fn_data_kwargs),
        (
            "probabilities",
            configuration.resampling_fn_probabilities,
            configuration.resampling_fn_probabilities_kwargs,
        ),
        ("seg", configuration.resampling_fn_seg, configuration.resampling_fn_seg_kwargs),
    )
    for what, function, call in calls:
        _check_resampling(what, function, call)
    return configuration.resampling_fn_data_kwargs.order


def _check_resampling(what: str, function: str, call: Resampling) -> None:
    if function != RESAMPLING:
        raise UnsupportedModel(
            f"The plans resample {what} with {function}; only {RESAMPLING} exists here.", REMEDY
        )
    orders = (LINEAR, CUBIC) if what == "data" else (LINEAR,)
    if call.order not in orders or call.order_z != 0 or call.force_separate_z is not None:
        raise UnsupportedModel(
            f"The plans resample {what} with order {call.order}, order_z {call.order_z} and "
            f"force_separate_z {call.force_separate_z}; only order "
            f"{' or '.join(str(order) for order in orders)}, order_z 0 and none exist here.",
            REMEDY,
        )

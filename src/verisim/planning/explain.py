"""Why a plan says what it says, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from verisim.fingerprint import Fingerprint
from verisim.normalization import Normalization
from verisim.planning.channels import CROPPED_AWAY, normalizations
from verisim.planning.memory import SMALLEST_BATCH, Budget
from verisim.planning.patch import LARGEST_SHARE, Fit
from verisim.planning.spacing import COARSE_PERCENTILE, Grid, coarse_axis

AXES = "XYZ"


@dataclass(frozen=True)
class Choice:
    """A network with the facts that decided it.

    Args:
        fingerprint: The data.
        grid: The median volume as the network sees it.
        fit: Network, patch and batch.
        budget: The memory.
    """

    fingerprint: Fingerprint
    grid: Grid
    fit: Fit
    budget: Budget

    @property
    def share(self) -> float:
        """Of the median volume, what a patch covers."""
        return self.fit.voxels / self.grid.voxels


def sides(values: Iterable[float]) -> str:
    """Three sizes as people write them, e.g. "35×50×36"."""
    return "×".join(f"{value:.4g}" for value in values)


def reasons(choice: Choice) -> tuple[str, ...]:
    """Every number of a configuration but its spacing, which has reasons of its own."""
    return (
        *_normalization(choice.fingerprint),
        _patch(choice),
        *_shrunk(choice),
        _stages(choice),
        _kernels(choice),
        _features(choice),
        _depths(choice),
        _batch(choice),
    )


def median_spacing(choice: Choice) -> str:
    """Why full resolution has its spacing."""
    spacing = f"spacing {sides(choice.grid.spacing_mm)} mm because that is the median of "
    cases = _cases(choice.fingerprint)
    coarse = coarse_axis(choice.fingerprint)
    if coarse is None:
        return spacing + cases
    return (
        f"{spacing}{cases}, but along {AXES[coarse]} their {COARSE_PERCENTILE}th percentile: "
        "there voxels are more than 3 times longer and more than 3 times fewer, and slices that "
        "are far apart should not be blurred together"
    )


def slices(choice: Choice) -> str:
    """Why slices lie as they do."""
    axis = AXES[choice.grid.slice_axis]
    x, y, z = (
        "own" if number == choice.grid.slice_axis else f"{value:.4g}"
        for number, value in enumerate(choice.grid.spacing_mm)
    )
    why = "no axis has longer voxels" if choice.grid.has_depth else f"{axis} has one voxel"
    return (
        f"spacing {x}×{y}×{z} mm, slices lie across {axis} because {why}, and are not resampled "
        "there"
    )


def coarser_spacing(choice: Choice, full: Choice) -> str:
    """Why there is a configuration of low resolution, with its spacing."""
    return (
        f"spacing {sides(choice.grid.spacing_mm)} mm because a patch of full resolution covers "
        f"only {_percent(full.share)} of the median volume, less than {_percent(LOWRES_SHARE)}: "
        f"it grew by 3 % a step, finest axes first, until a patch covers {_percent(choice.share)}"
    )


def no_lowres(full: Choice) -> str:
    """Why there is none."""
    if full.share >= LOWRES_SHARE:
        why = f"a patch covers {_percent(full.share)} of the median volume, 25 % or more"
    else:
        why = "it would have more than half of the voxels of full resolution"
    return f"no 3d_lowres and no cascade because {why}"


LOWRES_SHARE = 0.25
"""Of the median volume: where a patch covers less, it sees too little around a voxel."""


def _cases(fingerprint: Fingerprint) -> str:
    count = len(fingerprint.cases)
    return "1 case" if count == 1 else f"{count} cases"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _normalization(fingerprint: Fingerprint) -> Iterator[str]:
    steps = normalizations(fingerprint)
    for name, step in zip(fingerprint.channels, steps, strict=True):
        yield f"channel {name}: {_step(step, fingerprint)}"


def _step(step: Normalization, fingerprint: Fingerprint) -> str:
    match step.kind:
        case "ct":
            return (
                f"clipped to {step.low:.4g} … {step.high:.4g}, minus {step.mean:.4g}, divided by "
                f"{step.std:.4g} because it is called CT: 0.5th and 99.5th percentile, mean and "
                "standard deviation of the labelled voxels of all cases"
            )
        case "z-score":
            part = "the part that is not zero" if step.masked else "the whole volume"
            than = "less than" if step.masked else "not less than"
            return (
                f"mean 0 and standard deviation 1 over {part} because its name asks for nothing "
                f"else, and cropping leaves {_percent(fingerprint.relative_size)} of the median "
                f"volume, {than} {_percent(CROPPED_AWAY)}"
            )
    return f'normalized as "{step.kind}" because its name says so'


def _patch(choice: Choice) -> str:
    patch, divisor = choice.fit.patch_size, choice.fit.network.divisor
    return (
        f"patch {sides(patch)} because the median volume is {sides(choice.grid.shape)} voxels at "
        f"{sides(choice.grid.spacing_mm)} mm, and the stages must divide it by {sides(divisor)}"
    )


def _shrunk(choice: Choice) -> Iterator[str]:
    tried, budget = choice.fit.tried, choice.budget
    if tried:
        yield (
            f"patch smaller than {sides(tried[0])} because {SMALLEST_BATCH} such patches do not "
            f"fit {budget.memory_gb:g} GB: in {len(tried)} steps it lost the side that was "
            "longest in comparison with the median volume"
        )


def _stages(choice: Choice) -> str:
    halved = ", ".join(
        f"{AXES[axis]} {sum(stride[axis] > 1 for stride in choice.fit.network.strides)}"
        for axis in choice.grid.axes
    )
    return (
        f"{choice.fit.network.stages} stages (halvings along {halved}) because an axis is halved "
        "while it keeps 4 voxels and its spacing is below twice the finest"
    )


def _kernels(choice: Choice) -> str:
    kernels = choice.fit.network.kernel_sizes
    axes = choice.grid.axes
    narrow = [k for k, kernel in enumerate(kernels) if any(kernel[axis] == 1 for axis in axes)]
    if not narrow:
        return f"kernels {sides(kernels[-1])} because spacings are alike within a factor of two"
    shown = ", ".join(dict.fromkeys(sides(kernels[k]) for k in narrow))
    return (
        f"kernels {shown} in the first {len(narrow)} stages, then {sides(kernels[-1])}, because "
        "a kernel is 1 where voxels are twice as long as the finest, or longer"
    )


def _features(choice: Choice) -> str:
    preset, features = choice.budget.preset, choice.fit.network.features
    most = preset.most_features_of_slices if choice.grid.flat else preset.most_features
    return (
        f"features {'/'.join(str(width) for width in features)} because they start at "
        f"{preset.features} and double from stage to stage, up to {most}"
    )


def _depths(choice: Choice) -> str:
    network = choice.fit.network
    down = "/".join(str(depth) for depth in network.encoder_depths)
    up = "/".join(str(depth) for depth in network.decoder_depths)
    blocks = "residual blocks" if network.residual else "convolutions"
    preset = choice.budget.preset.name
    return (
        f"{down} {blocks} on the way down and {up} convolutions up because the preset {preset} "
        "has so many"
    )


def _batch(choice: Choice) -> str:
    fit, budget = choice.fit, choice.budget
    held = (
        f"{budget.memory_gb:g} GB hold {fit.batch_in_memory} "
        f"({fit.numbers / 1e6:.4g} million numbers in the feature maps of each)"
    )
    capped = (
        f"{_percent(LARGEST_SHARE)} of the voxels of {_cases(choice.fingerprint)} make "
        f"{fit.batch_in_data}"
    )
    if fit.batch_size > min(fit.batch_in_memory, fit.batch_in_data):
        return f"batch {fit.batch_size}, the fewest allowed, although {held} and {capped}"
    return f"batch {fit.batch_size} because {held} and {capped}: the smaller counts"

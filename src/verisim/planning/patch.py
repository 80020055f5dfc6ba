"""The largest patch, and the most patches at a time, that the memory holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from verisim.errors import BadInput
from verisim.networks.unet import Triple, UNet
from verisim.planning.memory import SMALLEST_BATCH, Budget
from verisim.planning.spacing import Grid
from verisim.planning.topology import SHORTEST_SIDE, SIMILAR, Sizes, Topology, topology_for

FIRST_SIDE, FIRST_SIDE_OF_SLICES = 256, 2048
"""Side of a cube, or square, as large as the first patch; larger than what fits."""

LARGEST_SHARE = 0.05
"""Of the data's voxels, what one batch may cover: beyond it a network learns by heart."""


@dataclass(frozen=True)
class Fit:
    """A network, its patch and its batch, with the numbers that decided them.

    Args:
        network: The U-Net.
        patch_size: Voxels along X, Y, Z.
        tried: Larger patches that did not fit, in order.
        numbers: Numbers in the feature maps of one patch.
        batch_in_memory: Patches that the memory holds.
        batch_in_data: Patches that make up 5 % of the data.
    """

    network: UNet
    patch_size: Triple
    tried: tuple[Triple, ...]
    numbers: int
    batch_in_memory: int
    batch_in_data: int

    @property
    def batch_size(self) -> int:
        """The smaller of both, and at least two."""
        return max(min(self.batch_in_memory, self.batch_in_data), SMALLEST_BATCH)

    @property
    def voxels(self) -> int:
        """Of one patch."""
        return prod(self.patch_size)


def fit(grid: Grid, dataset_voxels: float, budget: Budget) -> Fit:
    """Shrink a patch of the data's proportions until two of them fit (Isensee 2021).

    Args:
        grid: The median volume.
        dataset_voxels: Of all cases together.
        budget: The memory.

    Raises:
        BadInput: Not even the smallest patch fits.
    """
    topology = _first(grid)
    tried: list[Triple] = []
    while not _fits(topology, grid, budget):
        if topology.patch_size in tried:  # rounding up can undo a step
            raise _too_little(budget)
        tried.append(topology.patch_size)
        topology = _smaller(topology, grid, budget)
    numbers = _numbers(topology, grid, budget)
    return Fit(
        network=budget.preset.network(topology, grid.flat),
        patch_size=topology.patch_size,
        tried=tuple(tried),
        numbers=numbers,
        batch_in_memory=budget.batch(numbers, grid.flat),
        batch_in_data=round(dataset_voxels * LARGEST_SHARE / prod(topology.patch_size)),
    )


def _fits(topology: Topology, grid: Grid, budget: Budget) -> bool:
    """On the way down a patch may be one that no axis of which is halved: that is no U-Net."""
    return topology.stages > 1 and budget.fits(_numbers(topology, grid, budget), grid.flat)


def _numbers(topology: Topology, grid: Grid, budget: Budget) -> int:
    network = budget.preset.network(topology, grid.flat)
    return budget.numbers(network, topology.patch_size)


def _first(grid: Grid) -> Topology:
    """As many millimetres along each axis, but no more voxels than the median volume has."""
    density = [1 / grid.spacing_mm[axis] for axis in grid.axes]
    side = FIRST_SIDE_OF_SLICES if grid.flat else FIRST_SIDE
    scale = (side ** len(density) / prod(sorted(density))) ** (1 / len(density))
    size = [1.0, 1.0, 1.0]
    for axis, voxels in zip(grid.axes, density, strict=True):
        size[axis] = min(round(voxels * scale), grid.shape[axis])
    topology = _topology(grid, size)
    return topology if topology.stages > 1 else _topology(grid, _halvable(grid, size))


def _halvable(grid: Grid, size: list[float]) -> list[float]:
    """A patch beyond a tiny volume, for a U-Net needs two stages; nnU-Net would fail here."""
    finest = min(grid.spacing_mm[axis] for axis in grid.axes)
    near = [axis for axis in grid.axes if grid.spacing_mm[axis] / finest < SIMILAR]
    side = SHORTEST_SIDE * (2 if len(near) > 1 else 3)
    return [max(side, voxels) if axis in near else voxels for axis, voxels in enumerate(size)]


def _smaller(topology: Topology, grid: Grid, budget: Budget) -> Topology:
    """Take one step off the axis that is longest in comparison with the median volume."""
    size: list[float] = list(topology.patch_size)
    axis = _longest(size, grid, budget)
    probe = size.copy()
    probe[axis] -= topology.divisor[axis]
    # a shorter patch may be halved less often, and then a smaller step is enough
    size[axis] -= _topology(grid, probe).divisor[axis]
    return _topology(grid, size)


def _longest(size: list[float], grid: Grid, budget: Budget) -> int:
    """Of equal axes the one that nnU-Net, which counts Z, Y, X from the slices on, has last."""
    axes = [axis for axis in grid.axes if size[axis] > 1]
    if not axes:
        raise _too_little(budget)
    return max(
        axes, key=lambda axis: (size[axis] / grid.shape[axis], axis != grid.slice_axis, -axis)
    )


def _too_little(budget: Budget) -> BadInput:
    return BadInput(
        f"{budget.memory_gb:g} GB do not hold two of the smallest patches that a U-Net can halve.",
        "Give it more memory, e.g. --memory 8.",
    )


def _topology(grid: Grid, size: list[float]) -> Topology:
    x, y, z = size
    return topology_for(grid.spacing_mm, (x, y, z), grid.axes)


def slices_of(grid: Grid) -> Grid:
    """The same grid, looked at slice by slice."""
    return replace(grid, flat=True)


def scaled(grid: Grid, spacing_mm: Sizes) -> Grid:
    """The same median volume at another spacing, in whole voxels."""
    sides = zip(grid.spacing_mm, spacing_mm, grid.shape, strict=True)
    x, y, z = (float(max(1, round(own / wanted * voxels))) for own, wanted, voxels in sides)
    return replace(grid, spacing_mm=spacing_mm, shape=(x, y, z))

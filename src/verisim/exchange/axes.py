"""nnU-Net's arrays run (Z, Y, X) and may be turned before the network; ours run (X, Y, Z)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from verisim.errors import UnsupportedModel

Value = TypeVar("Value", int, float)
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Axes:
    """Which of our axes each axis of nnU-Net's network is.

    Args:
        transpose_forward: The plan's turn: axis of the reader's array (Z, Y, X) that becomes the
            network's first, second and third.
        flat: Whether the network sees slices: it then lacks the first axis.
    """

    transpose_forward: Triple
    flat: bool = False

    def __post_init__(self) -> None:
        if sorted(self.transpose_forward) != [0, 1, 2]:
            raise UnsupportedModel(
                f"The plans turn the axes by {list(self.transpose_forward)}, "
                "which does not name each axis once.",
                "Copy the plans.json that belongs to these checkpoints.",
            )

    @property
    def ours(self) -> Triple:
        """Our axis, 0 for x, of each axis of nnU-Net's turned array."""
        first, second, third = (2 - axis for axis in self.transpose_forward)
        return first, second, third

    @property
    def theirs(self) -> Triple:
        """Axis of nnU-Net's turned array that is our x, y and z."""
        x, y, z = (self.ours.index(axis) for axis in range(3))
        return x, y, z

    @property
    def backward(self) -> Triple:
        """The plan's turn back."""
        z, y, x = (self.transpose_forward.index(axis) for axis in range(3))
        return z, y, x

    def imported(self, values: Sequence[Value], across: Value) -> tuple[Value, Value, Value]:
        """One value for each of our axes (x, y, z), from one for each of the network's.

        Args:
            values: Two if the network sees slices, else three.
            across: The value across slices.
        """
        if len(values) != 3 - self.flat:
            raise UnsupportedModel(
                f"The plans give {list(values)} where a network of {3 - self.flat} dimensions "
                "needs one number for each.",
                "Copy the plans.json that belongs to these checkpoints.",
            )
        turned = list(values)
        if self.flat:
            turned.insert(0, across)
        x, y, z = (turned[axis] for axis in self.theirs)
        return x, y, z

    def exported(self, values: Sequence[Value]) -> tuple[Value, ...]:
        """One value for each of the network's axes, from ours (x, y, z)."""
        return tuple(values[axis] for axis in self.ours)[self.flat :]

    def imported_axes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """Our axes, sorted, from the network's."""
        if any(not 0 <= axis < 3 - self.flat for axis in axes):
            raise UnsupportedModel(
                f"The checkpoint mirrors the axes {list(axes)} of a network of "
                f"{3 - self.flat} dimensions.",
                "Use the checkpoint as nnU-Net wrote it.",
            )
        return tuple(sorted(self.ours[axis + self.flat] for axis in axes))

    def exported_axes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """The network's axes, sorted, from ours; across slices nothing can be mirrored."""
        turned = sorted(self.theirs[axis] - self.flat for axis in axes)
        return tuple(axis for axis in turned if axis >= 0)

    def imported_weight(self, weight: Tensor) -> Tensor:
        """A convolution's kernel (…, …, X, Y, Z) from nnU-Net's; other tensors stay."""
        if weight.ndim != 5 - self.flat:
            return weight
        kernel = weight.unsqueeze(2) if self.flat else weight
        return kernel.permute(0, 1, *(2 + axis for axis in self.theirs)).contiguous()

    def exported_weight(self, weight: Tensor) -> Tensor:
        """A convolution's kernel along nnU-Net's axes from (…, …, X, Y, Z)."""
        if weight.ndim != 5:
            return weight
        kernel = weight.permute(0, 1, *(2 + axis for axis in self.ours))
        return (kernel.squeeze(2) if self.flat else kernel).contiguous()

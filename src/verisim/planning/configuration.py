"""One network of a plan, and how it is made lighter."""

from __future__ import annotations

from dataclasses import dataclass, replace

from verisim.card import Configuration as Name
from verisim.errors import BadPlan
from verisim.networks.unet import Triple, UNet
from verisim.planning.topology import Sizes
from verisim.preprocessing import Preprocessing

LIGHT_FEATURES, LIGHT_BATCH = 16, 2
"""What a processor without graphics card trains in minutes."""


@dataclass(frozen=True)
class Configuration:
    """One network of a plan, with all that its training must know.

    Args:
        name: In nnU-Net's words.
        preprocessing: To the network's world.
        patch_size: Voxels along X, Y, Z that the network sees at once; 1 across slices.
        network: The U-Net.
        batch_size: Patches a step.
        batch_dice: Whether the Dice loss counts the voxels of all patches of a step together.
        median_shape: Voxels of the median case at the target spacing.
        previous: The configuration whose label map it is given, in a cascade.
        reasons: Why, sentence by sentence.

    Raises:
        BadPlan: The numbers contradict each other.
    """

    name: Name
    preprocessing: Preprocessing
    patch_size: Triple
    network: UNet
    batch_size: int
    batch_dice: bool
    median_shape: Sizes
    previous: Name | None = None
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pairs = zip(self.patch_size, self.network.divisor, strict=True)
        if any(side < 1 or side % unit for side, unit in pairs):
            raise BadPlan(
                f"The patch size {self.patch_size} of {self.name} does not fit its network.",
                f"Use multiples of {self.network.divisor}.",
            )
        if self.batch_size < 1:
            raise BadPlan(f"A batch of {self.batch_size} patches is none.", "Use 1 or more.")

    def lighter(
        self, features: int = LIGHT_FEATURES, batch_size: int = LIGHT_BATCH
    ) -> Configuration:
        """The same patch and stages with fewer features and patches a step, for little time.

        With half the features a step costs about a quarter. What is already as small stays.

        Args:
            features: Feature maps of the finest stage; the other stages shrink alike.
            batch_size: Patches a step.
        """
        finest = self.network.features[0]
        fewer, batch = min(features, finest), min(batch_size, self.batch_size)
        widths = tuple(max(1, width * fewer // finest) for width in self.network.features)
        given_up = [
            f"features {_stages(widths)} instead of {_stages(self.network.features)}: about "
            f"{(finest / fewer) ** 2:.3g} times less computation, for a little less accuracy"
        ] * (fewer < finest) + [
            f"batch {batch} instead of {self.batch_size}: {self.batch_size / batch:.3g} times "
            "less computation a step, for noisier steps"
        ] * (batch < self.batch_size)
        return replace(
            self,
            network=replace(self.network, features=widths),
            batch_size=batch,
            reasons=(*self.reasons, *given_up),
        )


def _stages(features: tuple[int, ...]) -> str:
    return "/".join(str(width) for width in features)

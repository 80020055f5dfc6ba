"""The peer: the same network as a plain MONAI Label app, written as its own sample apps are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monai.inferers import Inferer, SlidingWindowInferer
from monai.transforms import (
    Activationsd,
    AsDiscreted,
    DeleteItemsd,
    EnsureChannelFirstd,
    EnsureTyped,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    Spacingd,
    SqueezeDimd,
)
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.tasks.infer.basic_infer import BasicInferTask

from verisim.installed import SHIPPED_MODELS, find_card

Data = dict[str, Any] | None

CARD = find_card("hippocampus-unet", SHIPPED_MODELS)


class Peer(BasicInferTask):
    """Stock pre-transforms, inferer, post-transforms and writer around the same network."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path=str(path),
            network=CARD.build(),
            type=InferType.SEGMENTATION,
            labels=dict(CARD.labels),
            dimension=3,
            description="The same network in MONAI Label's own pipeline.",
            load_strict=False,
        )

    def pre_transforms(self, data: Data = None) -> list[Callable[..., Any]]:
        """As in MONAI Label's sample app for radiology."""
        return [
            LoadImaged(keys="image", reader="ITKReader"),
            EnsureTyped(keys="image", device=data.get("device") if data else None),
            EnsureChannelFirstd(keys="image"),
            Orientationd(keys="image", axcodes="RAS"),
            # MONAI 1.6 takes MONAI Label's "image_path" for metadata of "image" and would crash
            DeleteItemsd(keys="image_path"),
            Spacingd(keys="image", pixdim=CARD.preprocessing.spacing_mm),
            NormalizeIntensityd(keys="image"),
        ]

    def inferer(self, data: Data = None) -> Inferer:
        """The sliding window of the card."""
        return SlidingWindowInferer(roi_size=CARD.patch_size, overlap=0.5, mode="gaussian")

    def inverse_transforms(self, data: Data = None) -> list[Callable[..., Any]]:
        """Invert every pre-transform that can be; the other stock way needs torchvision."""
        return []

    def post_transforms(self, data: Data = None) -> list[Callable[..., Any]]:
        """As in MONAI Label's sample app for radiology."""
        return [
            EnsureTyped(keys="pred", device=data.get("device") if data else None),
            Activationsd(keys="pred", softmax=True),
            AsDiscreted(keys="pred", argmax=True),
            SqueezeDimd(keys="pred", dim=0),
        ]


class PeerApp(MONAILabelApp):
    """Serves the peer; its weights are the file that `--conf weights` names."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        self.weights = Path(conf["weights"])
        super().__init__(app_dir, studies, dict(conf), name="peer")

    def init_infers(self) -> dict[str, InferTask]:
        """The one model."""
        return {CARD.name: Peer(self.weights)}

"""Model folders as nnU-Net v2 writes them, made with nnU-Net's own classes, untrained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn

from verisim.training.augmentation import seeded

Json = dict[str, Any]
RESAMPLING = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
BLENDED = {**RESAMPLING, "order": 1}
ARCHITECTURES = "dynamic_network_architectures.architectures.unet."


@dataclass(frozen=True)
class Folder:
    """What a test wants of a model folder.

    Args:
        flat: Whether the network sees slices.
        residual: Whether it has a residual encoder.
        transpose: The plan's turn of the axes.
        channels: Names of the channels.
        labels: Names of the labels, background left out.
        schemes: Normalization of each channel.
        mirror: Axes that may be mirrored.
        folds: Of whom there is a checkpoint.
        reader: nnU-Net's class that reads images.
        previous: The first stage of a cascade.
        patch: Along the turned axes.
        features: Of each stage.
    """

    flat: bool = False
    residual: bool = False
    transpose: tuple[int, int, int] = (0, 1, 2)
    channels: tuple[str, ...] = ("MRI",)
    labels: tuple[str, ...] = ("Anterior", "Posterior")
    schemes: tuple[str, ...] = ("ZScoreNormalization",)
    mirror: tuple[int, ...] | None = (0, 1, 2)
    folds: tuple[str, ...] = ("fold_0",)
    reader: str = "SimpleITKIO"
    previous: str = ""
    patch: tuple[int, int, int] = (4, 16, 24)
    features: tuple[int, int, int] = (4, 6, 8)

    @property
    def name(self) -> str:
        """Of the configuration."""
        if self.previous:
            return "3d_cascade_fullres"
        return "2d" if self.flat else "3d_fullres"

    @property
    def dataset(self) -> Json:
        """dataset.json."""
        return {
            "channel_names": {str(k): name for k, name in enumerate(self.channels)},
            "labels": {"background": 0, **{name: k + 1 for k, name in enumerate(self.labels)}},
            "numTraining": 20,
            "file_ending": ".nii.gz",
        }

    @property
    def plans(self) -> Json:
        """plans.json."""
        t = self.transpose
        seen = {"mean": 90.0, "median": 88.0, "std": 31.5, "min": -900.0, "max": 1800.0}
        percentiles = {"percentile_00_5": -40.25, "percentile_99_5": 260.5}
        return {
            "dataset_name": "Dataset123_Boxes",
            "plans_name": "nnUNetPlans",
            "original_median_spacing_after_transp": [2.0, 0.75, 0.5],
            "original_median_shape_after_transp": [10, 40, 60],
            "image_reader_writer": self.reader,
            "transpose_forward": list(t),
            "transpose_backward": [t.index(k) for k in range(3)],
            "configurations": {self.name: self.configuration},
            "experiment_planner_used": "ExperimentPlanner",
            "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": {
                str(k): seen | percentiles for k in range(len(self.channels))
            },
        }

    @property
    def configuration(self) -> Json:
        """Its only configuration."""
        return {
            "data_identifier": f"nnUNetPlans_{self.name}",
            "preprocessor_name": "DefaultPreprocessor",
            "batch_size": 7,
            "patch_size": list(self.patch[self.flat :]),
            "median_image_size_in_voxels": [10.0, 40.0, 60.0][self.flat :],
            "spacing": [2.0, 0.75, 0.5][self.flat :],
            "normalization_schemes": list(self.schemes),
            "use_mask_for_norm": [False] * len(self.channels),
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": RESAMPLING,
            "resampling_fn_seg_kwargs": BLENDED | {"is_seg": True},
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": BLENDED,
            "architecture": self.architecture,
            "batch_dice": self.flat,
            "previous_stage": self.previous or None,
        }

    @property
    def architecture(self) -> Json:
        """Three stages, the second of which halves two axes only."""
        dimensions = "2d" if self.flat else "3d"
        start = int(self.flat)
        depths = {"n_blocks_per_stage" if self.residual else "n_conv_per_stage": [1, 2, 1]}
        return {
            "network_class_name": ARCHITECTURES
            + ("ResidualEncoderUNet" if self.residual else "PlainConvUNet"),
            "arch_kwargs": {
                "n_stages": 3,
                "features_per_stage": list(self.features),
                "conv_op": f"torch.nn.modules.conv.Conv{dimensions}",
                "kernel_sizes": [k[start:] for k in ([1, 3, 3], [1, 3, 3], [3, 3, 3])],
                "strides": [s[start:] for s in ([1, 1, 1], [1, 2, 2], [2, 2, 1])],
                **depths,
                "n_conv_per_stage_decoder": [2, 1],
                "conv_bias": True,
                "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }

    def network(self, seed: int) -> nn.Module:
        """nnU-Net's own, with every weight random."""
        made = self.architecture
        inputs = len(self.channels) + (len(self.labels) if self.previous else 0)
        with seeded(seed):
            network: nn.Module = get_network_from_plans(
                made["network_class_name"],
                made["arch_kwargs"],
                made["_kw_requires_import"],
                inputs,
                len(self.labels) + 1,
                deep_supervision=True,
            )
            for parameter in network.parameters():
                nn.init.normal_(parameter, 0.3 if parameter.ndim == 1 else 0.0, 0.4)
        return network

    def checkpoint(self, seed: int) -> Json:
        """What nnUNetTrainer.save_checkpoint writes, numbers of numpy's included."""
        network = self.network(seed)
        return {
            "network_weights": network.state_dict(),
            "optimizer_state": torch.optim.SGD(network.parameters(), 0.01).state_dict(),
            "grad_scaler_state": None,
            "logging": {
                "mean_fg_dice": [np.float64(0.25)],
                "ema_fg_dice": [np.float64(0.25)],
                "dice_per_class_or_region": [[np.float64(0.2), np.float32(0.3)]],
                "train_losses": [np.float32(1.5)],
                "val_losses": [np.float32(1.25)],
                "lrs": [0.01],
                "epoch_start_timestamps": [1795208834.75],
                "epoch_end_timestamps": [1795208927.0],
            },
            "_best_ema": np.float64(0.25),
            "current_epoch": 4,
            "init_args": {
                "plans": self.plans,
                "configuration": self.name,
                "fold": 0,
                "dataset_json": self.dataset,
                "device": torch.device("cpu"),
            },
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": self.mirror,
        }

    def write(self, path: Path) -> Path:
        """The folder."""
        path.mkdir(parents=True)
        (path / "plans.json").write_text(json.dumps(self.plans))
        (path / "dataset.json").write_text(json.dumps(self.dataset))
        for seed, fold in enumerate(self.folds):
            (path / fold).mkdir()
            torch.save(self.checkpoint(seed), path / fold / "checkpoint_final.pth")
        return path


def edit(path: Path, *where: str, value: object) -> None:
    """Set one field of a JSON file."""
    content = json.loads(path.read_text())
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(content))


def predictor(folder: Path, folds: tuple[int | str, ...]) -> nnUNetPredictor:
    """nnU-Net's own, with mirroring as nnUNetv2_predict does by default."""
    found = nnUNetPredictor(
        use_gaussian=False, use_mirroring=True, device=torch.device("cpu"), allow_tqdm=False
    )
    found.initialize_from_trained_model_folder(str(folder), folds)
    return found

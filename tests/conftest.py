"""Fixtures that every test may use."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from tests.samples import as_scanned
from verisim.card import ModelCard, write_model
from verisim.diffusion import Generation, Sampling
from verisim.networks.case_diffusion import CaseDiffusion, CaseGenerator
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.stylegan import Latents, StyleGan, StyleGenerator
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.preprocessing import Preprocessing
from verisim.training.augmentation import seeded
from verisim.training_record import TrainingRecord
from verisim.volume import LabelMap, Volume

collect_ignore = ["plugin", "slicer_host"]  # these need the plugin's environment: make test-plugin

torch.set_num_threads(1)  # the networks of the tests are too small for more


@pytest.fixture
def a_volume() -> Volume:
    """A small anisotropic volume away from the origin."""
    array = np.random.default_rng(0).normal(100, 20, (12, 10, 8)).astype(np.float32)
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = (-10.0, 20.0, 5.0)
    return Volume(array, affine)


@pytest.fixture
def a_label_map(a_volume: Volume) -> LabelMap:
    """Two boxes on the grid of `a_volume`."""
    array = np.zeros(a_volume.spatial_shape, np.uint8)
    array[2:6, 2:6, 2:5] = 1
    array[6:9, 3:8, 3:6] = 2
    return LabelMap(array, a_volume.affine, {"anterior": 1, "posterior": 2})


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The series of the sample data as scanners store it, alone in its folder."""
    return as_scanned(tmp_path_factory.mktemp("scans") / "scanned")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images."""
    if "VERISIM_DATA" not in os.environ:
        pytest.skip("VERISIM_DATA does not name the folder of real images")
    return Path(os.environ["VERISIM_DATA"]).resolve()


def rotation(degrees: float) -> npt.NDArray[np.float64]:
    """A turn about the patient's (1, 2, 3) axis, (3, 3)."""
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14)
    turned: npt.NDArray[np.float64] = Rotation.from_rotvec(
        axis * degrees, degrees=True
    ).as_matrix()
    return turned


def affine_of(
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    degrees: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Voxel index to RAS+ mm, (4, 4)."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees) @ np.diag(spacing_mm)
    affine[:3, 3] = origin
    return affine


@pytest.fixture
def a_card() -> ModelCard:
    """An untrained two-label model of two stages and four features: predicts in milliseconds."""
    return ModelCard(
        name="tiny",
        description="Segments anterior, posterior in MRI.",
        channels=("MRI",),
        labels={"anterior": 1, "posterior": 2},
        colors={"anterior": (0.9, 0.5, 0.2), "posterior": (0.2, 0.5, 0.9)},
        preprocessing=Preprocessing(),
        patch_size=(16, 16, 16),
        network=UNet(
            features=(4, 8),
            strides=((1, 1, 1), (2, 2, 2)),
            kernel_sizes=((3, 3, 3), (3, 3, 3)),
            convolutions=1,
        ),
        training=TrainingRecord(
            data="drawn cases",
            licence="CC0",
            split="train",
            cases=2,
            seed=0,
            date="2025-01-31",
            iterations=1,
            batch_size=1,
            seconds=1.0,
            device="cpu",
            extent_mm=((16.0, 16.0, 16.0), (40.0, 40.0, 40.0)),
        ),
        figures={"dice.val": 0.5},
    )


@pytest.fixture
def a_trained_model(a_card: ModelCard, tmp_path: Path) -> ModelCard:
    """The tiny model with weights of a fixed seed, written into a folder."""
    with seeded(0):
        network = a_card.build()
    return write_model(a_card, weights_of(network), tmp_path / "models")


@pytest.fixture
def a_diffusion_model(a_card: ModelCard, tmp_path: Path) -> ModelCard:
    """The tiny model's labels by diffusion, with weights of a fixed seed."""
    plan = MedSegDiff((4, 8), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)))
    sampling = Sampling(samples=3, steps=2)
    card = replace(a_card, name="tiny-diffusion", network=plan, sampling=sampling)
    with seeded(0):
        network = card.build()
        # an untrained network is undecided: louder, its samples have labels, and differ
        nn.init.normal_(network.get_submodule("denoiser.head").get_parameter("weight"), std=5)
    return write_model(card, weights_of(network), tmp_path / "models")


@pytest.fixture
def a_generator(a_card: ModelCard, tmp_path: Path) -> ModelCard:
    """A tiny model of cases with the tiny model's labels, with weights of a fixed seed."""
    plan = CaseDiffusion(
        (4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2)), ((3, 3, 3), (3, 3, 3), (3, 3, 3))
    )
    card = replace(
        a_card,
        name="tiny-generator",
        kind="synthesis",
        network=plan,
        generation=Generation(steps=3, label_steps=2),
    )
    with seeded(0):
        network = card.build()
    assert isinstance(network, CaseGenerator)
    network.remember([(12, 14, 10), (13, 15, 11), (12, 15, 12), (14, 14, 10)])
    return write_model(card, weights_of(network), tmp_path / "models")


@pytest.fixture
def a_stylegan(a_card: ModelCard, tmp_path: Path) -> ModelCard:
    """A tiny StyleGAN with the tiny model's labels, with weights of a fixed seed."""
    strides = ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    plan = StyleGan((4, 8, 8), strides, ((3, 3, 3),) * 3, (4, 4, 4), latent=8, mapping=2)
    card = replace(
        a_card, name="tiny-stylegan", kind="synthesis", network=plan, generation=Latents()
    )
    with seeded(0):
        network = card.build()
    assert isinstance(network, StyleGenerator)
    network.remember([(12, 14, 10), (13, 15, 11), (12, 15, 12), (14, 14, 10)])
    return write_model(card, weights_of(network), tmp_path / "models")


def parameters(network: nn.Module) -> int:
    """Number of trained numbers in a network."""
    return sum(p.numel() for p in network.parameters())

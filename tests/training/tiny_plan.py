"""A plan of networks that train in milliseconds a step."""

from __future__ import annotations

from pathlib import Path

from verisim.fingerprint import Intensities
from verisim.networks.unet import UNet
from verisim.planning import Configuration, Plan
from verisim.preprocessing import Preprocessing

CUBE, SLICE = (16, 16, 16), (16, 16, 1)
VALUES = Intensities(50.0, 50.0, 10.0, 0.0, 140.0, 1.0, 139.0)


def a_plan(features: int = 4, batch_size: int = 1) -> Plan:
    """Volumes, slices, and a cascade."""
    network = UNet((features, 2 * features), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)), 1, 1)
    flat = UNet((features, 2 * features), ((1, 1, 1), (2, 2, 1)), ((3, 3, 1), (3, 3, 1)), 1, 1)
    shape = (18.0, 22.0, 21.0)
    coarse = Preprocessing(spacing_mm=(1.5, 1.5, 1.5))
    own = Preprocessing(spacing_mm=(1.0, 1.0, 0.0))
    return Plan(
        data="Boxes",
        channels=("MRI",),
        labels={"anterior": 1, "posterior": 2},
        cases=4,
        memory_gb=8.0,
        preset="plain",
        median_spacing_mm=(1.0, 1.1, 1.3),
        median_shape=shape,
        relative_size=1.0,
        intensities=(VALUES,),
        configurations=(
            Configuration("2d", own, SLICE, flat, batch_size, True, shape),
            Configuration("3d_fullres", Preprocessing(), CUBE, network, batch_size, True, shape),
            Configuration("3d_lowres", coarse, CUBE, network, batch_size, False, shape),
            Configuration(
                "3d_cascade_fullres",
                Preprocessing(),
                CUBE,
                network,
                batch_size,
                True,
                shape,
                "3d_lowres",
            ),
        ),
    )


def write_plan(path: Path, features: int = 4, batch_size: int = 1) -> Path:
    """The same as a file."""
    a_plan(features, batch_size).write(path)
    return path

"""How long a large volume takes by diffusion, and how much memory.

    python benchmarks/medsegdiff_large.py DATASET [--shape 160x160x120] [--samples 5] [--steps 2]

The network that `verisim train DATASET --network medsegdiff` would train on a processor, with the
weights that it begins with: time and memory do not depend on them. The volume is the first of the
data set, brought to the shape.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from scipy.ndimage import zoom

from beside_nnunet.material import shape_of
from beside_nnunet.measuring import keep_to, processors
from verisim.card import ModelCard, write_model
from verisim.dataset import Dataset, open_dataset
from verisim.diffusion import Sampling
from verisim.ensembles import segmenter_of
from verisim.fingerprint import fingerprint_of
from verisim.networks.weights import weights_of
from verisim.patches import number_of_patches
from verisim.planning import make_plan
from verisim.sampling_wish import SamplingWish
from verisim.training.kinds import of_kind
from verisim.volume import Volume


def main() -> None:
    """Segment once, and tell."""
    arguments = _arguments()
    keep_to(arguments.threads)
    dataset = open_dataset(arguments.dataset)
    with tempfile.TemporaryDirectory() as folder:
        card = untrained(dataset, Path(folder))
        wish = SamplingWish(arguments.samples, arguments.steps)
        answer = segmenter_of(card, wish=wish)(brought_to(arguments.shape, dataset))
    assert answer.sampled is not None, "a diffusion model samples"
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    patches = number_of_patches(arguments.shape, card.patch_size)
    Console().print(
        f"{'×'.join(map(str, arguments.shape))} voxels, {len(card.channels)} channels, "
        f"{arguments.samples} samples of {arguments.steps} steps, {arguments.threads} threads: "
        f"{answer.total_seconds:.1f} s, {answer.sampled.evaluations} evaluations of {patches} "
        f"patches of {'×'.join(map(str, card.patch_size))}, peak {peak_mb:.0f} MB",
        soft_wrap=True,
    )


def untrained(dataset: Dataset, folder: Path) -> ModelCard:
    """The light diffusion model of a data set's plan, as its training begins."""
    plan = make_plan(fingerprint_of(dataset, "all"))
    card = of_kind(plan.card("large", plan.default.lighter()), "medsegdiff")
    torch.manual_seed(0)
    return write_model(card, weights_of(card.build()), folder)


def brought_to(shape: tuple[int, int, int], dataset: Dataset) -> Volume:
    """The first volume of a data set with so many voxels."""
    volume = dataset.cases[0].volume()
    channels = volume.array.reshape(-1, *volume.spatial_shape)
    factors = np.divide(shape, volume.spatial_shape)
    array = np.stack([zoom(one, factors, order=1) for one in channels]).astype(np.float32)
    return volume.new(array if len(array) > 1 else array[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", type=Path, help="such as DATA/brats2013")
    add("--shape", type=shape_of, default=(160, 160, 120), help="voxels [160x160x120]")
    add("--samples", type=int, default=Sampling().samples, help="[%(default)s]")
    add("--steps", type=int, default=Sampling().steps, help="[%(default)s]")
    add("--threads", type=int, default=processors(), help="[%(default)s]")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()

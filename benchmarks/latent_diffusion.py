"""Diffusion behind an autoencoder beside diffusion of voxels, on hippocampi at half a millimetre.

    python benchmarks/latent_diffusion.py DATASET --models FOLDER [--cases 26] [--threads 1]

FOLDER holds a generator of the data set's cases at 0.5 mm, `hippocampus-latent` unless --model
says another, as `verisim train-generator --network latent` trains it. Times and memory are also
those of diffusion of the same voxels by a network of the same plan: they do not depend on its
weights. The model that ships makes cases of 1 mm, and stands beside it: its images have an eighth
of the voxels. Real images at 0.5 mm are those of the data set, resampled by cubic splines.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from beside_nnunet.measuring import keep_to
from verisim.card import ModelCard
from verisim.dataset import open_dataset
from verisim.fidelity import Pairs, pairs_of
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.latent_diffusion import LatentDiffusion, LatentGenerator
from verisim.precision import laid_out, reduced_precision
from verisim.progress import SILENT
from verisim.resampling import resample
from verisim.synthesis.comparing import Comparison, Sampled
from verisim.synthesis.making import placed
from verisim.synthesis.pace import seconds_a_case
from verisim.synthesis.synthesizer import fits
from verisim.training.batches import crop
from verisim.training.generating import one_hot
from verisim.volume import LabelMap, Volume

FINER = 2
"""Voxels of a real image along each axis become so many."""


def main() -> None:
    """Measure, and print three tables."""
    arguments = _arguments()
    keep_to(arguments.threads)
    card = find_card(arguments.model, arguments.models)
    shipped, embedding = (
        find_card(name, SHIPPED_MODELS) for name in ("hippocampus-diffusion", "hippocampus-unet")
    )
    dataset = open_dataset(arguments.dataset)
    training = pairs_of(dataset.split("train"), card.labels, SILENT)
    held_out = pairs_of(dataset.split("val"), card.labels, SILENT)
    fine = [finer(*pair) for pair in held_out]
    # the same patients for both models
    kept = [
        k
        for k, (_, label_map) in enumerate(held_out)
        if fits(shipped, label_map) and fits(card, fine[k][1])
    ][: arguments.cases]
    Console().print(speed(card, arguments.threads))
    Console().print(reconstructions(card, [fine[k] for k in kept]))
    rows = [
        *compared(card, embedding, training, [fine[k] for k in kept]),
        *compared(shipped, embedding, training, [held_out[k] for k in kept])[1:],
    ]
    Console().print(quality(rows, ("real, 0.5 mm", card.title, f"{shipped.title}, 1 mm")))


def finer(volume: Volume, label_map: LabelMap) -> tuple[Volume, LabelMap]:
    """A case with voxels of half the size: cubic splines, and the likeliest label."""
    shape = [FINER * n for n in volume.spatial_shape]
    x, y, z = (side / FINER for side in volume.spacing_mm)
    affine, _ = volume.grid_at((x, y, z))
    image = resample(volume.array.astype(np.float32), shape, 3)
    values = [0, *label_map.labels.values()]
    likely = [resample((label_map.array == k).astype(np.float32), shape, 1) for k in values]
    labels = np.array(values, label_map.array.dtype)[np.argmax(likely, axis=0)]
    return Volume(image, affine), LabelMap(labels, affine, label_map.labels)


def speed(card: ModelCard, threads: int) -> Table:
    """Seconds and memory of a case, each way in a process of its own."""
    plan = card.network
    assert isinstance(plan, LatentDiffusion), "the model is one of latent diffusion"
    voxels = CaseDiffusion(plan.features, plan.strides, plan.kernel_sizes)
    sizes = "×".join(map(str, card.patch_size))
    table = Table(f"{sizes} voxels", "seconds a case", "peak MB", "weights, millions")
    for title, network in (("voxels", voxels), ("latent", plan)):
        way = replace(card, network=network)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            seconds, peak_mb = process.submit(_alone, way, threads).result()
        weights = sum(one.numel() for one in way.build().parameters()) / 1e6
        table.add_row(title, f"{seconds:.2f}", f"{peak_mb:.0f}", f"{weights:.1f}")
    return table


def _alone(card: ModelCard, threads: int) -> tuple[float, float]:
    keep_to(threads)
    before = _most_mb()
    seconds = seconds_a_case(card)
    return seconds, _most_mb() - before


def _most_mb() -> float:
    """The most memory that this process ever had; `getrusage` also counts that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(one for one in lines if one.startswith("VmHWM")).split()[1]) / 1024


def reconstructions(card: ModelCard, pairs: Pairs) -> Table:
    """What the autoencoder alone loses of images that it never saw."""
    network = laid_out(card.load(), "cpu")
    assert isinstance(network, LatentGenerator), "the model is one of latent diffusion"
    found = np.array([_reconstruction(card, network, *pair) for pair in pairs])
    table = Table("autoencoder", "mean error / deviation", "PSNR, dB", "SSIM")
    mean, spread = found.mean(axis=0), found.std(axis=0)
    cells = zip(mean, spread, (3, 1, 3), strict=True)
    table.add_row(f"{len(pairs)} held-out", *(f"{m:.{d}f} ± {s:.{d}f}" for m, s, d in cells))
    return table


def _reconstruction(
    card: ModelCard, network: LatentGenerator, volume: Volume, label_map: LabelMap
) -> tuple[float, float, float]:
    image = card.preprocessing(volume)
    label = label_map.valued(card.labels).resampled_like(image).array[np.newaxis]
    centre = [n // 2 for n in label.shape[1:]]
    arrays = (image.array, label, np.ones_like(label, np.float32))
    seen, labels, inside = (
        torch.from_numpy(np.ascontiguousarray(crop(one, centre, card.patch_size)))[None].float()
        for one in arrays
    )
    with torch.inference_mode(), reduced_precision("cpu"):
        masks = one_hot(labels, network.classes)
        back = network.decoded(network.encoded(seen, inside), masks, inside)
    place = placed(label.shape[1:], card.patch_size)
    real, made = (one[(0, 0, *place)].float().numpy() for one in (seen, back))
    span = float(real.max() - real.min())
    return (
        float(np.abs(real - made).mean()),
        peak_signal_noise_ratio(real, made, data_range=span),
        structural_similarity(real, made, data_range=span),
    )


def compared(
    card: ModelCard, embedding: ModelCard, training: Pairs, held_out: Pairs
) -> list[Sampled]:
    """Real images, then those that a model makes for their label maps."""
    assert card.generation is not None, "the card makes cases"
    return list(Comparison(card, embedding, training, held_out)([card.generation]))


def quality(rows: Sequence[Sampled], titles: Sequence[str]) -> Table:
    """Distances to the training cases, and agreement with the given label maps."""
    table = Table("images", "Fréchet", "kernel", "Dice with the label map", "seconds")
    for title, row in zip(titles, rows, strict=True):
        seconds = f"{row.seconds:.2f}" if row.seconds else ""
        table.add_row(title, f"{row.frechet:.2f}", f"{row.kernel:.3f}", f"{row.dice:.3f}", seconds)
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", type=Path, help="such as DATA/hippocampus")
    add("--models", type=Path, required=True, help="folder of the model")
    add("--model", default="hippocampus-latent")
    add("--cases", type=int, default=26, help="held-out cases, at most")
    add("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()

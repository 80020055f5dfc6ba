"""A large volume with many classes is answered in less memory than its classes would take."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from verisim.card import ModelCard
from verisim.segmentation import NetworkSegmenter
from verisim.volume import Volume

CLASSES = 31
SHAPE = (640, 96, 96)
ONE_CLASS = 4 * int(np.prod(SHAPE))


class ByIntensity(nn.Module):
    """The class whose number is nearest to the intensity, without the cost of a real network."""

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, 1, X, Y, Z) to logits (B, CLASSES, X, Y, Z)."""
        numbers = torch.arange(CLASSES).reshape(1, -1, 1, 1, 1)
        return patches * numbers - numbers**2 / 2


def segmented_peak_bytes(card: ModelCard) -> int:
    """Segment in this process; how much its peak memory grew."""
    labels = {f"organ{k}": k for k in range(1, CLASSES)}
    segmenter = NetworkSegmenter(card)
    object.__setattr__(segmenter, "network", ByIntensity())
    many = replace(card, labels=labels, colors={}, patch_size=(48, 48, 48), training=None)
    object.__setattr__(segmenter, "card", many)
    truth = np.random.default_rng(0).integers(0, CLASSES, SHAPE, dtype=np.int16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = segmenter(Volume(truth, np.eye(4)))
    assert np.array_equal(answer.label_map.array, truth)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.slow
def test_memory_holds_a_slab_of_the_classes_never_all_of_all_voxels(
    a_trained_model: ModelCard,
) -> None:
    # a process of its own: the peak of this one may be somebody else's
    script = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from tests.test_bounded_memory import segmented_peak_bytes\n"
        "from verisim.card import read_card\n"
        "from verisim.normalization import Normalization\n"
        "card = read_card(Path(sys.argv[1]))\n"
        "plain = replace(card.preprocessing, normalization=(Normalization('none'),))\n"
        "print(segmented_peak_bytes(replace(card, preprocessing=plain)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(a_trained_model.card_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ended.stdout) < CLASSES * ONE_CLASS / 3

"""Images that look the same though they count as different subjects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny_run import a_ball
from verisim.dataset import open_dataset
from verisim.training.examples import Example
from verisim.training.look_alikes import SubjectWarning, look_alikes, warn_of_look_alikes


def named(name: str, example: Example) -> Example:
    """The same under a name."""
    return replace(example, name=name)


def test_the_same_image_brighter_and_noisier_is_found() -> None:
    first, other = named("a", a_ball(1)), named("b", a_ball(2))
    noise = np.random.default_rng(0).normal(0, 0.05, first.image.shape)
    again = named("c", replace(first, image=3 * first.image + 7 + noise))
    ((one, two, correlation),) = look_alikes([first, other], [again])
    assert (one, two) == ("a", "c")
    assert 0.95 < correlation <= 1.000001


def test_different_images_pass_in_silence() -> None:
    warn_of_look_alikes([named("a", a_ball(1))], [named("b", a_ball(2)), named("c", a_ball(3))])


def test_images_of_other_shapes_are_compared() -> None:
    large = np.repeat(np.repeat(a_ball(1).image, 3, axis=1), 2, axis=2)
    label = np.zeros(large.shape[1:], np.uint8)
    with pytest.warns(SubjectWarning, match="a and b"):
        warn_of_look_alikes([named("a", a_ball(1))], [Example(large, label, "b")])


def test_a_constant_image_is_like_none() -> None:
    flat = Example(np.ones((1, 9, 9, 9)), np.zeros((9, 9, 9), np.uint8), "flat")
    assert look_alikes([flat], [flat]) == []


def test_a_warning_names_five_pairs_and_counts_the_others() -> None:
    same = [named(f"case_{k}", a_ball(1)) for k in range(5)]
    with pytest.warns(SubjectWarning, match=r"^6 pair.* and 1 more.*--subject-table"):
        warn_of_look_alikes(same[:3], same[3:])


@pytest.mark.data
def test_the_two_sides_of_a_brain_are_no_look_alikes(real_data: Path) -> None:
    cases = open_dataset(real_data / "hippocampus").cases[:40]
    examples = [
        Example(volume.array[None].astype(np.float32), np.zeros((1, 1, 1), int), case.name)
        for case in cases
        for volume in [case.volume()]
    ]
    pairs = [pair for pair in look_alikes(examples, examples) if pair[0] != pair[1]]
    assert pairs == []

"""Turning data, weights and network alike turns the answer, and nothing else."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.exchange.folders import Folder
from verisim.card import ModelCard, write_model
from verisim.errors import UnsupportedModel
from verisim.exchange.axes import Axes, Triple
from verisim.exchange.importing import import_model

TURNS = list(permutations(range(3)))


def turned_forward(array: np.ndarray, turn: Triple) -> np.ndarray:
    """From (C, X, Y, Z) to what nnU-Net's preprocessor gives its network."""
    zyx = array.transpose(0, 3, 2, 1)
    return zyx.transpose(0, *(axis + 1 for axis in turn))


def turned_back(array: np.ndarray, turn: Triple) -> np.ndarray:
    """From nnU-Net's network to (C, X, Y, Z), in nnU-Net's own way."""
    backward = [turn.index(axis) for axis in range(3)]
    zyx = array.transpose(0, *(axis + 1 for axis in backward))
    return zyx.transpose(0, 3, 2, 1)


@pytest.mark.parametrize("turn", TURNS)
def test_values_go_to_the_axis_that_the_data_goes_to(turn: Triple) -> None:
    axes, ours = Axes(turn), (11, 22, 33)
    array = np.zeros((1, *ours))
    assert axes.exported(ours) == turned_forward(array, turn).shape[1:]
    assert axes.imported(axes.exported(ours), 0) == ours
    assert axes.backward == tuple(turn.index(axis) for axis in range(3))


@pytest.mark.parametrize("turn", TURNS)
def test_slices_have_two_values_and_the_first_turned_axis_gets_its_own(turn: Triple) -> None:
    axes = Axes(turn, flat=True)
    inside = axes.imported((5, 7), 0)
    assert inside[2 - turn[0]] == 0
    assert axes.exported(inside) == (5, 7)
    assert axes.imported_axes((0, 1)) == tuple(axis for axis in range(3) if inside[axis])


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("flat", [False, True])
def test_weights_and_mirror_axes_come_back_from_a_journey(turn: Triple, flat: bool) -> None:
    axes = Axes(turn, flat)
    kernel = torch.rand(2, 3, *(3, 5, 7)[flat:])
    assert torch.equal(axes.exported_weight(axes.imported_weight(kernel)), kernel)
    for chosen in ((), (0,), (1,), (0, 1)):
        assert axes.exported_axes(axes.imported_axes(chosen)) == chosen


def test_a_turn_that_names_an_axis_twice_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="each axis once"):
        Axes((0, 0, 2))


def test_values_of_the_wrong_number_of_dimensions_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="3 dimensions"):
        Axes((0, 1, 2)).imported((1, 2), 0)
    with pytest.raises(UnsupportedModel, match="mirrors the axes"):
        Axes((0, 1, 2), flat=True).imported_axes((2,))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("flat", [False, True], ids=["volumes", "slices"])
def test_the_imported_network_answers_turned_data_as_nnunets_does(
    turn: Triple, residual: bool, flat: bool, tmp_path: Path
) -> None:
    made = Folder(flat=flat, residual=residual, transpose=turn, mirror=(0, 1))
    card = written(made.write(tmp_path / "folder"), tmp_path)
    theirs = made.network(0).eval()
    theirs.decoder.deep_supervision = False
    data = torch.randn(1, *made.patch, generator=torch.Generator().manual_seed(1))
    if flat:
        data = data[:, :1]
    with torch.inference_mode():
        expected = theirs(data if flat else data[None])
        ours = card.load()(torch.tensor(turned_back(data.numpy(), turn).copy())[None])[0]
    # one slice is a batch of one
    expected = expected[0][:, None] if flat else expected[0]
    np.testing.assert_allclose(ours, turned_back(expected.numpy(), turn), rtol=0, atol=1e-4)
    assert float(expected.std()) > 0.1


def written(folder: Path, beside: Path) -> ModelCard:
    """The imported card with its weights."""
    imported = import_model(folder)
    return write_model(imported.card, imported.weights, beside / "models")

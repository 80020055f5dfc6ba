"""The ablation: what is switched off, trained once, and compared case by case."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import medsegdiff_ablation
from medsegdiff_ablation import VARIANTS, WHOLE, Scored, table
from tests.training.balls import write_balls
from verisim.installed import find_cards
from verisim.networks.medsegdiff import MedSegDiff

SUBJECTS = ("a", "b", "c", "d")


def a_score(variant: str, *dice: float, way: str = "ensemble") -> Scored:
    return Scored(variant, way, (dice, tuple(d + 0.02 for d in dice)), SUBJECTS)


def test_a_variant_is_compared_with_the_whole_case_by_case() -> None:
    whole = a_score(WHOLE, 0.9, 0.8, 0.7, 0.6)
    without = a_score("no-dynamic", 0.89, 0.79, 0.69, 0.59)
    difference = without.less(whole)
    assert difference.mean == pytest.approx(-0.01)
    assert difference.high - difference.low < 1e-6
    assert without.by_seed == pytest.approx([0.74, 0.76])
    assert without.mean.mean == pytest.approx(0.75)
    assert table([whole, without]).row_count == 2


def test_every_variant_is_trained_once_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_balls(tmp_path / "data")
    command = ["ablation", tmp_path / "data", "--iterations", "1", "--seeds", "0"]
    command += [
        "--variants",
        *VARIANTS,
        "--anchor",
        "",
        "--work",
        tmp_path / "work",
        "--output",
        tmp_path / "all.json",
    ]
    monkeypatch.setattr(sys, "argv", [str(word) for word in command])
    # which processors the tests run on stays as it is
    monkeypatch.setattr("medsegdiff_ablation.keep_to", lambda threads: None)
    medsegdiff_ablation.main()
    cards = find_cards(tmp_path / "work" / "models")
    assert set(cards) == {f"{variant}-0" for variant in VARIANTS}
    networks = {name: card.network for name, card in cards.items()}
    assert all(isinstance(network, MedSegDiff) for network in networks.values())
    assert not networks["no-dynamic-0"].dynamic
    assert not networks["no-ff-parser-0"].ff_parser
    assert networks["spectral-0"].spectral
    predicted = {name: card.sampling.parameterization for name, card in cards.items()}
    assert predicted == dict.fromkeys(cards, "data") | {"noise-0": "noise"}
    weights = {name: card.weights_path.stat().st_mtime_ns for name, card in cards.items()}
    medsegdiff_ablation.main()
    again = find_cards(tmp_path / "work" / "models")
    assert {n: card.weights_path.stat().st_mtime_ns for n, card in again.items()} == weights
    assert capsys.readouterr().out.count("no-dynamic") >= 2
    assert (tmp_path / "all.json").exists()

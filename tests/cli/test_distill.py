"""A student on the command line: taught, compared beside its teacher, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.running import a_generator_card, a_tiny_model, untrained
from tests.cli.conftest import Command
from tests.training.balls import write_balls
from verisim.card import read_card
from verisim.diffusion import Student


def test_a_student_is_taught_and_compared_and_asked_its_own_way(
    verisim: Command, tmp_path: Path
) -> None:
    write_balls(tmp_path / "balls", 14, 6)
    models = tmp_path / "models"
    shared = ("--iterations", 2, "--models", models)
    taught = verisim(
        *("train-generator", tmp_path / "balls", "--name", "balls", *shared),
        *("--run", tmp_path / "first"),
    )
    assert taught.code == 0, taught.err
    student = verisim(
        *("train-generator", tmp_path / "balls", "--name", "fast", "--steps", 2),
        *("--distill", "balls", *shared, "--run", tmp_path / "run"),
    )
    assert student.code == 0, student.err
    card = read_card(models / "fast-v1.toml")
    assert card.generation == Student("balls v1", 2).generation
    assert "in 2 steps" in card.description
    told = verisim("models", "--models", models)
    assert "distilled from" in told.out
    a_tiny_model(models)
    compared = verisim(
        *("compare-samplers", "balls", tmp_path / "balls", "--embedding", "tiny", "--json"),
        *("--models", models, "--solvers", "ddim", "--evaluations", "2"),
        *("--picture", tmp_path / "samplers.png"),
    )
    assert compared.code == 0, compared.err
    rows = compared.facts["rows"]
    assert [row["name"] for row in rows] == ["real", "dpm-solver", "ddim", "distilled (fast)"]
    assert (rows[-1]["steps"], rows[-1]["evaluations"]) == (2, 2)
    asked = verisim("synthesize", "fast", "--models", models, "-o", tmp_path / "set")
    assert asked.code == 0, asked.err
    for wish in (("--steps", 5), ("--solver", "heun"), ("--guidance", 2)):
        run = verisim("synthesize", "fast", "--models", models, "-o", tmp_path / "no", *wish)
        assert run.code == 2
        assert "balls v1" in run.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (("--distill", "hippocampus-stylegan"), "out of noise"),
        (("--distill", "nobody"), "nobody"),
        (("--distill", "maker", "--steps", 9), "No student"),
        (("--distill", "maker", "--joint"), "--joint"),
        (("--distill", "maker", "--network", "stylegan"), "--network"),
        (("--steps", 4), "--distill"),
    ],
)
def test_a_distilling_that_contradicts_itself_is_refused(
    verisim: Command, tmp_path: Path, asked: tuple[object, ...], word: str
) -> None:
    models = tmp_path / "models"
    untrained(a_generator_card(), models)
    write_balls(tmp_path / "balls", 9, 2)
    run = verisim(
        "train-generator", tmp_path / "balls", "--name", "new", *asked, "--models", models
    )
    assert run.code == 2
    assert word in run.err

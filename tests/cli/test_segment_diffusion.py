"""`verisim segment` with a model that samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import LABELS, Command
from verisim import files
from verisim.card import ModelCard


def test_a_diffusion_model_samples_as_it_is_asked(
    verisim: Command, a_diffusion_model: ModelCard, a_case: Path, output: Path
) -> None:
    diffusion = ("--model", "tiny-diffusion", "--models", a_diffusion_model.folder)
    label = output / "label.nii.gz"
    wish = ("--samples", 4, "--steps", 1, "--seed", 7, "--fusion", "staple")
    run = verisim("segment", a_case, "-o", label, *diffusion, *wish, "--json")
    assert run.code == 0
    (case,) = run.facts["cases"]
    assert {len(found) for found in case["sampled"]["volumes_ml"].values()} == {4}
    assert case["sampled"]["evaluations"] % 4 == 0
    assert set(case["expected_dice"]) <= set(LABELS)
    first = files.read_label_map(label, LABELS).array
    kept = ("--each-sample", output / "drawn" / "s.nrrd")
    assert verisim("segment", a_case, "-o", label, *diffusion, *wish, *kept).code == 0
    names = [path.name for path in sorted((output / "drawn").iterdir())]
    assert names == [f"s-{k}.nrrd" for k in range(1, 5)]
    assert (files.read_label_map(label, LABELS).array == first).all()


@pytest.mark.parametrize(
    ("model", "wish", "said"),
    [
        ("tiny-diffusion", ("--samples", 0), "0 samples"),
        ("tiny-diffusion", ("--samples", -3), "-3 samples"),
        ("tiny-diffusion", ("--steps", 0), "0 steps"),
        ("tiny-diffusion", ("--settled", 1.5), "settle"),
        ("tiny-diffusion", ("--seed", -1), "no seed"),
        ("tiny", ("--samples", 3), "without samples"),
        ("tiny", ("--each-sample", "s.nrrd"), "without samples"),
        ("tiny-diffusion", ("--each-sample", "s.jpg"), "no known format"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_refused_before_work_begins(
    verisim: Command,
    a_diffusion_model: ModelCard,
    a_trained_model: ModelCard,
    a_case: Path,
    output: Path,
    model: str,
    wish: tuple[object, ...],
    said: str,
) -> None:
    assert a_trained_model.folder == a_diffusion_model.folder
    label = output / "label.nii.gz"
    where = ("--model", model, "--models", a_diffusion_model.folder)
    run = verisim("segment", a_case, "-o", label, *where, *wish)
    assert run.code == 2
    assert said in " ".join(run.err.split())
    assert not label.exists()

"""`verisim evaluate`: figures with intervals, in a table, in JSON and in a CSV."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import SHAPE, Command, a_truth, in_a_process, listing, write_dataset
from verisim import files
from verisim.card import read_card

METRICS = {"dice", "hausdorff95_mm", "surface_dice"}


def test_json_holds_cases_and_intervals_and_nothing_else_is_printed(
    models: Path, a_dataset: Path, output: Path
) -> None:
    table = output / "new" / "scores.csv"
    run = in_a_process("evaluate", "tiny", a_dataset, "-o", table, "--models", models, "--json")
    assert run.code == 0
    assert run.err == ""
    facts = run.facts
    assert facts["model"] == "tiny v1"
    assert (facts["split"], facts["subjects"]) == ("val", 2)
    assert [case["case"] for case in facts["cases"]] == ["s3_a", "s3_b"]
    for label in facts["labels"]:
        assert label.keys() == {"label", *METRICS}
        assert label["dice"]["low"] <= label["dice"]["mean"] <= label["dice"]["high"]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 2 * 2
    assert {"case", "subject", "label", "truth_ml", *METRICS} <= rows[0].keys()
    assert float(rows[0]["dice"]) == facts["cases"][0]["agreements"][0]["dice"]


def test_one_subject_tells_nothing_about_others(
    verisim: Command, models: Path, a_dataset: Path
) -> None:
    one = ("--subject-pattern", r"(s\d+)_", "--models", models, "--json")
    run = verisim("evaluate", "tiny", a_dataset, *one)
    assert run.facts["subjects"] == 1
    assert run.facts["labels"][0]["dice"]["low"] is None
    assert run.facts["labels"][0]["dice"]["mean"] is not None


def test_a_table_fits_80_columns(verisim: Command, models: Path, a_dataset: Path) -> None:
    run = verisim("evaluate", "tiny", a_dataset, "--models", models, "--split", "all")
    assert run.code == 0
    assert max(len(line) for line in run.out.splitlines()) <= 80
    for word in ("tiny v1 on Boxes, split all", "4 cases of 4 subjects", "anterior", "posterior"):
        assert word in run.out
    assert re.search(r"anterior +│ 0\.\d{3} \(0\.\d{3}–0\.\d{3}\) │", run.out)


def test_an_absent_label_has_no_distance_and_the_json_says_null(
    verisim: Command, models: Path, a_dataset: Path
) -> None:
    truth = a_truth()
    only_one = np.where(truth.array == 1, truth.array, 0)
    for path in sorted((a_dataset / "labelsTr").glob("s3_*")):
        files.write(path, truth.new(only_one))
    run = verisim("evaluate", "tiny", a_dataset, "--models", models, "--json")
    posterior = run.facts["labels"][1]
    assert posterior["label"] == "posterior"
    assert posterior["dice"]["mean"] == 0  # the untrained model finds some of it
    assert posterior["hausdorff95_mm"]["mean"] is None


def test_other_labels_are_refused(verisim: Command, models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "livers", labels=("liver", "tumour"))
    run = verisim("evaluate", "tiny", dataset, "--models", models, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "bad_dataset"
    assert "liver, tumour" in run.facts["error"]["message"]
    assert "anterior, posterior" in run.facts["error"]["message"]


def test_a_label_that_the_model_does_not_know_is_left_out_and_said(
    verisim: Command, models: Path, tmp_path: Path
) -> None:
    dataset = write_dataset(tmp_path / "partly", labels=("Anterior", "Amygdala"))
    run = verisim("evaluate", "tiny", dataset, "--models", models, "--json")
    assert run.code == 0
    assert [label["label"] for label in run.facts["labels"]] == ["anterior"]
    assert "posterior, amygdala" in run.err


def test_a_label_of_another_image_is_named(
    verisim: Command, models: Path, a_dataset: Path
) -> None:
    files.write(a_dataset / "labelsTr" / "s3_b.nii.gz", a_truth((SHAPE[0], SHAPE[1], 15)))
    run = verisim("evaluate", "tiny", a_dataset, "--models", models, "--json")
    assert run.facts["error"]["code"] == "bad_dataset"
    assert "s3_b" in run.facts["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("tiny", "no-such-folder"), "not_found"),
        (("tiny", "{dataset}", "--split", "test"), "not_found"),
        (("no-such-model", "{dataset}"), "not_found"),
        (("tiny", "{dataset}", "-o", "{dataset}"), "storage_failed"),
        (("tiny", "{dataset}", "--tolerance-mm", "-1"), "usage"),
        (("tiny", "{dataset}", "--subject-pattern", "("), "bad_dataset"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    verisim: Command, models: Path, a_dataset: Path, arguments: tuple[str, ...], code: str
) -> None:
    before = listing(a_dataset)
    filled = [argument.format(dataset=a_dataset) for argument in arguments]
    run = verisim("evaluate", *filled, "--models", models, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == code
    assert listing(a_dataset) == before


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shipped_model_reaches_its_figures_on_real_hippocampi(
    real_data: Path, tmp_path: Path
) -> None:
    run = in_a_process(
        *("evaluate", "hippocampus-unet", real_data / "hippocampus", "--split", "val"),
        *("--models", tmp_path, "--json"),
        timeout=800,
    )
    assert run.code == 0
    anterior, posterior = run.facts["labels"]
    assert anterior["label"] == "anterior"
    assert anterior["dice"]["mean"] >= 0.895
    assert posterior["dice"]["mean"] >= 0.875
    assert anterior["hausdorff95_mm"]["mean"] <= 2
    assert posterior["hausdorff95_mm"]["mean"] <= 2
    assert (len(run.facts["cases"]), run.facts["subjects"]) == (26, 17)


def test_calibrating_writes_the_correction_into_the_card_and_changes_no_figure(
    verisim: Command, models: Path, a_dataset: Path
) -> None:
    asked = ("evaluate", "tiny", a_dataset, "--models", models, "--json")
    before = verisim(*asked)
    run = verisim(*asked, "--calibrate")
    assert run.code == 0
    assert "expected Dice is off by" in run.err
    assert "temperature" in run.err
    card = read_card(models / "tiny-v1.toml")
    assert set(card.expectations) == {"anterior", "posterior"}
    assert all(one.slope >= 0 for one in card.expectations.values())
    assert card.temperature != 1
    again = verisim(*asked, "--calibrate")
    assert read_card(models / "tiny-v1.toml") == card  # what is corrected is never corrected again
    dices = [[case["agreements"] for case in one.facts["cases"]] for one in (before, run, again)]
    assert dices[0] == dices[1] == dices[2]

"""`verisim plan`: what a data set asks for, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from verisim.planning import read_plan


def test_a_plan_is_shown(verisim: Command, a_dataset: Path) -> None:
    run = verisim("plan", a_dataset)
    assert run.code == 0
    assert "3d_fullres" in run.out
    assert "because" not in run.out


def test_every_configuration_is_explained(verisim: Command, a_dataset: Path) -> None:
    run = verisim("plan", a_dataset, "--explain")
    assert run.out.count("because the median volume is") == 2
    assert "patch 20×20×16 because the median volume is 18×20×16 voxels" in run.out


def test_the_written_plan_is_the_one_that_was_said(
    verisim: Command, a_dataset: Path, output: Path
) -> None:
    run = verisim("plan", a_dataset, "-o", output / "plan.toml", "--json")
    plan = read_plan(output / "plan.toml")
    assert run.facts["written"] == str(output / "plan.toml")
    assert run.facts["plan"]["cases"] == plan.cases
    said = run.facts["plan"]["configurations"]
    assert [one["name"] for one in said] == list(plan.names)
    assert [tuple(one["patch_size"]) for one in said] == [
        one.patch_size for one in plan.configurations
    ]


def test_memory_and_preset_reach_the_plan(verisim: Command, a_dataset: Path) -> None:
    plan = verisim("plan", a_dataset, "--memory", 24, "--preset", "residual", "--json").facts[
        "plan"
    ]
    assert (plan["memory_gb"], plan["preset"]) == (24, "residual")
    assert plan["configurations"][1]["network"]["residual"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--memory", 0), "0 GB"),
        (("--preset", "big"), "plain, residual"),
        (("--split", "tset"), "no split 'tset'"),
        (("-o", "."), "cannot be written"),
    ],
)
def test_a_wrong_question_is_refused(
    verisim: Command, a_dataset: Path, arguments: tuple[object, ...], said: str
) -> None:
    run = verisim("plan", a_dataset, *arguments)
    assert run.code == 2
    assert said in run.err


def test_a_folder_that_is_no_data_set_is_refused(verisim: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = verisim("plan", tmp_path / "empty")
    assert run.code == 2
    assert "no data set" in run.err

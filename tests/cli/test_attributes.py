"""Attributes on the command line: told in a training, shown, asked for, and refused."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.training.balls import write_balls


def test_attributes_are_told_shown_asked_for_and_refused(verisim: Command, tmp_path: Path) -> None:
    models, data, table = tmp_path / "models", tmp_path / "balls", tmp_path / "table.csv"
    write_balls(data, 12, 2)
    lines = [f"case_{k},{'large' if k % 2 else 'small'}" for k in range(12)]
    table.write_text("\n".join(["case,size", *lines]))
    command = ("train-generator", data, "--iterations", 1, "--models", models, "--run", tmp_path)
    told = ("--name", "balls", "--attributes", table)
    assert verisim(*command, *told).code == 0
    shown = verisim("models", "--models", models)
    assert "size (large, small)" in shown.out
    asked = ("synthesize", "balls", "--models", models, "-o", tmp_path / "set")
    run = verisim(*asked, "--attribute", "size=large", "--attribute-guidance", 3, "--steps", 1)
    assert run.code == 0, run.err
    (path,) = (tmp_path / "set" / "provenance").iterdir()
    record = json.loads(path.read_text())
    assert (record["attributes"], record["attribute_guidance"]) == ({"size": "large"}, 3.0)
    for said, why in (
        (("size=huge",), "large, small"),
        (("sex=male",), "size (large, small)"),
        (("size",), "size=large"),
        (("size=large", "size=small"), "twice"),
    ):
        refused = verisim(*asked, *(word for one in said for word in ("--attribute", one)))
        assert refused.code == 2
        assert why in refused.err


@pytest.mark.parametrize("told", [("--attributes", "absent.csv"), ("--intensity-families", 1)])
def test_attributes_that_cannot_be_told_are_refused_before_anything_is_read(
    verisim: Command, tmp_path: Path, told: tuple[str, object]
) -> None:
    write_balls(tmp_path / "balls", 7, 2)
    run = verisim("train-generator", tmp_path / "balls", "--name", "balls", *told)
    assert run.code == 2
    assert not (tmp_path / "runs").exists()

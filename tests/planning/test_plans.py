"""A plan is a file that a person edits, and models are made from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import parameters
from tests.planning.fingerprints import HUGE_CT, MADE_UP
from verisim.card import read_card, write_model
from verisim.errors import BadInput, BadPlan, NotFound
from verisim.files.segments import color_of
from verisim.networks.weights import weights_of
from verisim.planning import Plan, make_plan, read_plan


@pytest.fixture(scope="module")
def cascade() -> Plan:
    """A plan of four configurations."""
    return make_plan(HUGE_CT)


@pytest.mark.parametrize("name", ["huge CT", "brain of four channels", "slices only"])
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    made = make_plan(MADE_UP[name], preset="residual")
    made.write(tmp_path / "new" / "plan.toml")
    assert read_plan(tmp_path / "new" / "plan.toml") == made


def test_an_edited_number_counts(cascade: Plan, tmp_path: Path) -> None:
    cascade.write(tmp_path / "plan.toml")
    text = (tmp_path / "plan.toml").read_text()
    assert "patch_size = [512, 512, 1]" in text
    edited = text.replace("patch_size = [512, 512, 1]", "patch_size = [256, 256, 1]")
    (tmp_path / "plan.toml").write_text(edited)
    assert read_plan(tmp_path / "plan.toml").configuration("2d").patch_size == (256, 256, 1)


@pytest.mark.parametrize(
    ("found", "put", "named"),
    [
        ("batch_size = 2\n", 'batch_size = "two"\n', "batch_size"),
        ("batch_size = 2\n", "batch_size = 0\n", "batch of 0"),
        ("batch_size = 2\n", "", "batch_size"),
        ("batch_size = 2\n", "batch_size = 2\nbatchsize = 3\n", r"configurations\.\d\.batchsize"),
        ("crop = true", "crop = true\ncrops = true", r"preprocessing\.crops"),
        ("patch_size = [512, 512, 1]", "patch_size = [100, 512, 1]", "multiples of"),
        ('name = "3d_lowres"', 'name = "2d"', "each once"),
        ('name = "3d_lowres"', 'name = "4d"', "name"),
        ('previous = "3d_lowres"', 'previous = "3d_cascade"', "previous"),
        ('    "CT",\n', '    "CT",\n    "PET",\n', "normalizes 1 channels"),
        ("cases = 40", "cases = 40\ncases = 41", "no TOML file"),
        ("memory_gb", "memory", "memory"),
    ],
)
def test_a_wrong_field_is_named(
    cascade: Plan, tmp_path: Path, found: str, put: str, named: str
) -> None:
    path = tmp_path / "plan.toml"
    cascade.write(path)
    assert found in path.read_text()
    path.write_text(path.read_text().replace(found, put))
    with pytest.raises(BadPlan, match=named):
        read_plan(path)


def test_a_missing_plan_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_plan(tmp_path / "plan.toml")


def test_a_missing_configuration_is_refused(cascade: Plan) -> None:
    with pytest.raises(BadInput, match="2d, 3d_fullres, 3d_lowres"):
        cascade.configuration("3d")


def test_a_cascade_without_its_first_stage_is_refused(cascade: Plan) -> None:
    full = tuple(one for one in cascade.configurations if one.name != "3d_lowres")
    with pytest.raises(BadPlan, match="follows 3d_lowres"):
        replace(cascade, configurations=full)


def test_a_card_can_be_built_written_and_read(tmp_path: Path) -> None:
    made = make_plan(MADE_UP["hippocampus"])
    card = made.card("liver-unet", made.configuration("2d").lighter(2))
    assert (card.labels, card.channels, card.configuration) == (made.labels, ("MRI",), "2d")
    assert (card.sha256, card.training) == ("", None)
    written = write_model(card, weights_of(card.build()), tmp_path / "models")
    assert read_card(written.card_path) == written


def test_the_second_stage_of_a_cascade_sees_the_labels_of_the_first(cascade: Plan) -> None:
    second = cascade.configuration("3d_cascade_fullres")
    card = cascade.card("liver-cascade", second, previous="liver-lowres")
    assert (card.inputs, card.previous) == (1 + 2, "liver-lowres")
    with pytest.raises(BadInput, match="follows 3d_lowres"):
        cascade.card("liver-cascade", second)
    with pytest.raises(BadInput, match="follows no other"):
        cascade.card("liver", cascade.default, previous="liver-lowres")


def test_a_lighter_configuration_has_a_quarter_of_the_parameters_and_says_so() -> None:
    made = make_plan(MADE_UP["hippocampus"])
    full, light = made.default, made.default.lighter()
    ratio = parameters(full.network.build(1, 3)) / parameters(light.network.build(1, 3))
    assert ratio == pytest.approx(4, rel=0.02)
    assert (light.network.features, light.batch_size) == ((16, 32, 64, 128), 2)
    assert light.patch_size == full.patch_size
    assert light.reasons == full.reasons + light.reasons[len(full.reasons) :]
    assert "4 times less computation" in light.reasons[len(full.reasons)]


def test_what_is_light_already_stays_as_it_is() -> None:
    light = make_plan(MADE_UP["tiny"]).default.lighter()
    assert light.lighter() == light


@pytest.mark.parametrize("preset", ["plain", "residual"])
@pytest.mark.parametrize("name", ["huge CT of one size", "equal in plane", "isotropic and equal"])
def test_every_number_has_its_reason(name: str, preset: str) -> None:
    for one in make_plan(MADE_UP[name], preset=preset).configurations:
        said = "\n".join(one.reasons)
        patch = "×".join(str(side) for side in one.patch_size)
        assert f"patch {patch} because the median volume is" in said
        assert f"batch {one.batch_size}" in said
        assert f"features {'/'.join(str(width) for width in one.network.features)}" in said
        assert f"{one.network.stages} stages" in said
        spacing = (f"{side:.4g}" if side else "own" for side in one.preprocessing.spacing_mm)
        assert f"spacing {'×'.join(spacing)} mm" in said
        assert "kernels" in said
        assert "convolutions" in said


def test_reasons_tell_the_rule_that_decided() -> None:
    huge = make_plan(MADE_UP["huge CT"])
    low, second = huge.configuration("3d_lowres"), huge.configuration("3d_cascade_fullres")
    assert any("less than 25 %" in reason for reason in low.reasons)
    assert any("do not fit 8 GB" in reason for reason in low.reasons)
    assert second.reasons[0].startswith("a cascade because")
    coarse = make_plan(MADE_UP["anisotropic MR"]).default
    assert any("10th percentile" in reason for reason in coarse.reasons)
    assert any("no 3d_lowres" in reason for reason in coarse.reasons)
    brain = make_plan(MADE_UP["brain of four channels"]).default
    assert sum("the part that is not zero" in reason for reason in brain.reasons) == 4


def test_every_label_has_a_colour_of_its_own() -> None:
    colors = np.array([color_of(k) for k in range(20)])
    assert len(np.unique(colors, axis=0)) == 20
    assert ((colors >= 0) & (colors <= 1)).all()

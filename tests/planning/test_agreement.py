"""The planner decides as nnU-Net's own does, on data of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.planning.agreement import Job, assert_agree, assert_configurations_agree, nnunet_plans
from tests.planning.fingerprints import MADE_UP, read_nnunet
from verisim.dataset import open_dataset
from verisim.fingerprint import fingerprint_of
from verisim.planning import make_plan

JOBS: dict[str, Job] = {
    **{name: (fingerprint, 8.0, "plain") for name, fingerprint in MADE_UP.items()},
    **{f"{name}, 4 GB": (MADE_UP[name], 4.0, "plain") for name in ("huge CT", "random 1")},
    **{f"{name}, 24 GB": (MADE_UP[name], 24.0, "plain") for name in ("huge CT", "random 2")},
    **{
        f"{name}, residual": (MADE_UP[name], 8.0, "residual")
        for name in ("hippocampus", "anisotropic MR", "huge CT", "slices only", "random 3")
    },
}


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[str, Any]]:
    """nnU-Net's plan of every job."""
    pytest.importorskip("nnunetv2", reason="nnU-Net is not installed beside Verisim")
    return dict(zip(JOBS, nnunet_plans(list(JOBS.values())), strict=True))


@pytest.mark.parametrize("job", JOBS)
def test_the_plan_is_that_of_nnunet(job: str, theirs: dict[str, dict[str, Any]]) -> None:
    fingerprint, memory, preset = JOBS[job]
    assert_agree(make_plan(fingerprint, memory, preset), theirs[job])


def test_the_kinds_of_data_ask_for_different_configurations(
    theirs: dict[str, dict[str, Any]],
) -> None:
    cascade = {"2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"}
    assert set(theirs["huge CT"]["configurations"]) == cascade
    assert set(theirs["anisotropic MR"]["configurations"]) == {"2d", "3d_fullres"}
    assert set(theirs["slices only"]["configurations"]) == {"2d"}


@pytest.mark.data
def test_nnunets_fingerprint_of_the_hippocampus_gives_its_plan(real_data: Path) -> None:
    golden = json.loads((real_data / "nnunet_plans/hippocampus_3d_fullres.json").read_text())
    made = make_plan(read_nnunet(real_data / "nnunet_plans/hippocampus_fingerprint.json"))
    assert_agree(made, golden)


@pytest.mark.data
def test_the_hippocampus_has_nnunets_fingerprint_and_plan(real_data: Path) -> None:
    folder = real_data / "nnunet_plans"
    ours = fingerprint_of(open_dataset(real_data / "hippocampus"))
    expected = read_nnunet(folder / "hippocampus_fingerprint.json")
    assert sorted(case.shape for case in ours.cases) == sorted(c.shape for c in expected.cases)
    assert ours.relative_size == expected.relative_size
    golden = json.loads((folder / "hippocampus_3d_fullres.json").read_text())
    seen = golden["foreground_intensity_properties_per_channel"]["0"]
    (channel,) = ours.intensities
    assert (channel.low, channel.median, channel.high) == pytest.approx(
        (seen["percentile_00_5"], seen["median"], seen["percentile_99_5"]), rel=1e-7
    )
    assert (channel.minimum, channel.maximum) == (seen["min"], seen["max"])
    # nnU-Net adds 100 million numbers in single precision
    assert (channel.mean, channel.std) == pytest.approx((seen["mean"], seen["std"]), rel=2e-5)
    for one in make_plan(ours).configurations:
        assert_configurations_agree(one, golden["configurations"][one.name], (0, 1, 2))


@pytest.mark.data
def test_two_patients_with_two_channels_are_planned(real_data: Path) -> None:
    dataset = open_dataset(real_data / "brats2013")
    made = make_plan(fingerprint_of(dataset))
    assert dataset.channels == made.channels == ("flair", "t1c")
    assert list(made.labels.values()) == [1, 2, 3, 4]
    assert made.default.patch_size == (128, 128, 128)
    assert made.card("tumour").inputs == 2

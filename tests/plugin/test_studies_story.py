"""A radiologist labels the cases of the real server, and a model learns from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import slicer

from tests.plugin.real_data import SMALL, a_key, further_models, released_cases
from tests.plugin.real_server import SAMPLE, Running, running
from tests.plugin.stories import LONG, done, opened, segmented, shown, tried
from tests.slicer_host.acting import picture, press, settle
from tests.slicer_host.window import Host
from VerisimLib.nrrd import unpacked
from VerisimLib.scene.volumes import matrix_of

UNET = "hippocampus-unet"
OWN = SAMPLE.name.removesuffix(".nii.gz")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return a_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def key(keys: tuple[Path, str]) -> str:
    """Lets an admin in."""
    return keys[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, str]) -> Iterator[Running]:
    """Of its own: its studies get labels, its models new versions, and it asks for a key."""
    folder = tmp_path_factory.mktemp("studies")
    models = further_models(folder / "models")
    with running(folder, "--models", str(models), "--keys", str(keys[0])) as one:
        released_cases(folder / "studies", 3)
        yield one


@pytest.fixture
def asking(key: str) -> Iterator[requests.Session]:
    """What an admin asks beside the panel."""
    with requests.Session() as session:
        session.headers["X-API-Key"] = key
        yield session


@pytest.fixture
def panel(host: Host, server: Running, key: str) -> object:
    """With the box of the server's cases unfolded."""
    panel = opened(host, server, "VerisimSegment", key)
    press(panel.ui.studiesBox)
    return panel


def certainties(server: Running, asking: requests.Session) -> dict[str, float]:
    """Let the model look at all cases, as an admin does; how certain it is of each."""
    found = {}
    route = f"{server.address}/datastore"
    for case in asking.get(f"{route}/?output=all", timeout=5).json()["objects"]:
        asking.post(
            f"{server.address}/infer/{UNET}?image={case}&output=json",
            data={"params": json.dumps({"save_label": True})},
            timeout=LONG,
        ).raise_for_status()
        told = asking.get(f"{route}/label/info?label={case}&tag=original", timeout=5).json()
        found[case] = told["params"]["certainty"]
    return found


def labelled(panel: object) -> str:
    """Load the next case, segment it and submit the result; its id."""
    press(panel.ui.nextCase)
    said = done(panel)
    case = panel.ui.volume.currentNode().GetAttribute("Verisim.StudyCase")
    assert panel.ui.caseAbout.text == f"Case {case} is loaded.", said
    segmented(panel, UNET)
    press(panel.ui.submit)
    assert done(panel) == f"Kept on the server as the final label of {case}."
    return str(case)


def same_as_the_file(node: object, path: Path) -> None:
    """A volume of the scene has the voxels of a file, at the same places."""
    other = slicer.util.loadVolume(str(path), {"show": False})
    assert np.array_equal(slicer.util.arrayFromVolume(node), slicer.util.arrayFromVolume(other))
    assert matrix_of(node) == pytest.approx(matrix_of(other), abs=1e-5)


def test_only_a_key_lets_a_person_in(panel: object, server: Running, key: str) -> None:
    said = [tried(panel), tried(panel, key[:-1] + "?")]
    assert said[0] == "This server asks for a key. Enter the key that its admin gave you."
    assert said[1] != said[0]
    assert said[1].endswith(" Enter the key that its admin gave you.")
    assert tried(panel, key).startswith("Connected to Verisim")


def test_the_least_certain_case_comes_first_and_its_label_is_kept(
    host: Host, server: Running, asking: requests.Session, panel: object, pictures: Path
) -> None:
    sure = certainties(server, asking)
    assert len(sure) == 4
    panel.ui.strategy.currentText = "uncertain"
    case = labelled(panel)
    assert case == min(sure, key=sure.__getitem__)
    volume = panel.ui.volume.currentNode()
    same_as_the_file(volume, server.folder / "studies" / f"{case}.nii.gz")
    kept = unpacked((server.folder / "studies/labels/final" / f"{case}.nrrd").read_bytes())
    assert np.array_equal(kept.array, shown(panel))
    assert (kept.array == 1).any()
    assert kept.affine == pytest.approx(matrix_of(volume), abs=1e-9)
    picture(host.window, pictures / "submitted.png")
    assert labelled(panel) == sorted(sure, key=sure.__getitem__)[1]


def test_a_volume_of_the_scene_becomes_a_case(server: Running, panel: object) -> None:
    volume = slicer.util.loadVolume(str(SAMPLE), {"name": "a new patient"})
    panel.ui.volume.setCurrentNode(volume)
    segmented(panel, UNET)
    press(panel.ui.submit)
    assert done(panel).endswith("final label of a_new_patient.")
    kept = server.folder / "studies" / "a_new_patient.nrrd"
    same_as_the_file(volume, kept)
    label = unpacked((kept.parent / "labels" / "final" / kept.name).read_bytes())
    assert np.array_equal(label.array, shown(panel))
    press(panel.ui.submit)  # once more: it is known there now
    assert done(panel).endswith("final label of a_new_patient.")


def curve_of(panel: object) -> tuple[list[float], list[float]]:
    """Percents and losses of the curve that the panel draws."""
    chart = panel.ui.curve.mrmlPlotViewNode().GetPlotChartNode()
    table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    rows = range(table.GetNumberOfRows())
    return tuple([table.GetValue(k, column).ToDouble() for k in rows] for column in (0, 1))


def test_a_training_is_watched_and_its_version_is_used(
    host: Host, panel: object, pictures: Path
) -> None:
    panel.ui.trainer.currentText = SMALL
    panel.ui.epochs.value = 12  # the panel looks now and then: a fast machine ends few in between
    press(panel.ui.train)
    said = done(panel, 200)
    assert said.startswith(f"{SMALL} v2 is in use from now on: mean Dice 0."), said
    percents, losses = curve_of(panel)
    assert len(percents) > 3
    assert percents == sorted(percents)
    assert losses[-1] < losses[0]
    picture(host.window, pictures / "trained.png")
    panel.ui.model.currentText = SMALL
    assert panel.ui.modelAbout.text.endswith("Version 2.")


def test_the_training_of_a_shipped_model_is_watched_and_cancelled(
    host: Host, server: Running, asking: requests.Session, panel: object, pictures: Path
) -> None:
    panel.ui.trainer.currentText = UNET
    panel.ui.epochs.value = 20
    press(panel.ui.train)
    settle(lambda: panel.studies.chart is not None and len(set(curve_of(panel)[0])) > 2, LONG)
    assert all(0 < loss < 1 for loss in curve_of(panel)[1])  # it has learned already
    picture(host.window, pictures / "training.png")
    press(panel.work.ui.cancelButton)
    assert done(panel) == "Cancelled; nothing was changed."
    job = asking.get(f"{server.address}/jobs", timeout=5).json()["jobs"][0]["id"]
    state = f"{server.address}/jobs/{job}"
    settle(lambda: asking.get(state, timeout=5).json()["state"] == "cancelled", LONG)
    assert panel.ui.train.isEnabled()


def test_nothing_is_left_to_label(server: Running, panel: object) -> None:
    for _case in range(2):
        labelled(panel)
    press(panel.ui.nextCase)
    done(panel)
    assert panel.ui.caseAbout.text == "All cases of the server have a final label."

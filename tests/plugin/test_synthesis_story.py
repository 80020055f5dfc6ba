"""A steward makes cases, audits them and lets out what passed, with the real server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.real_server import ROOT, Running, running
from tests.slicer_host.acting import picture, press, settle, write
from tests.slicer_host.window import Host

SAMPLES = ROOT / "sample-data" / "synthetic"
NEW, OLD = 77, 0
"""Seeds."""

KNOWN = 6
"""Of the sample cases play training patients, the others held-out ones."""


def data_set(folder: Path, images: list[Path]) -> None:
    """Sample cases as a data set of patients: without the record that they are synthetic."""
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True)
    for k, image in enumerate(images):
        name = image.name.replace("_0000.nii.gz", ".nii.gz")
        shutil.copy(image, folder / "imagesTr" / f"{folder.name}_{k:03}_0000.nii.gz")
        shutil.copy(
            SAMPLES / "labelsTr" / name, folder / "labelsTr" / f"{folder.name}_{k:03}.nii.gz"
        )
    described = json.loads((SAMPLES / "dataset.json").read_text())
    kept = {k: described[k] for k in ("channel_names", "labels", "file_ending") if k in described}
    kept["numTraining"] = len(images)
    (folder / "dataset.json").write_text(json.dumps(kept))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    images = sorted((SAMPLES / "imagesTr").glob("*.nii.gz"))
    data_set(folder / "datasets" / "known", images[:KNOWN])
    data_set(folder / "datasets" / "others", images[KNOWN:])
    with running(folder / "running", "--conf", f"datasets={folder / 'datasets'}") as one:
        yield one


def opened(host: Host, server: Running, module: str) -> object:
    panel = host.load(MODULES / f"{module}.py").panel
    write(panel.connection.ui.address, server.address)
    settle(lambda: panel.info is not None and not panel.work.busy)
    return panel


def made(host: Host, server: Running, seed: int, model: str = "hippocampus-stylegan") -> object:
    panel = opened(host, server, "VerisimSynthesize")
    panel.ui.model.currentText = model
    panel.ui.count.value, panel.ui.seed.value = 2, seed
    press(panel.ui.makeButton)
    settle(lambda: not panel.work.busy, 120)
    assert panel.ui.thumbnails.count == 2, panel.work.ui.message.text
    return panel


def audited(panel: object) -> None:
    panel.ui.training.currentText = "known:all"
    panel.ui.heldOut.currentText = "others:all"
    panel.ui.plants.value = 2
    panel.ui.images.checked = True
    assert panel.ui.auditButton.isEnabled(), panel.ui.auditButton.toolTip
    press(panel.ui.auditButton)
    settle(lambda: not panel.work.busy, 280)
    assert panel.audited is not None, panel.work.ui.message.text


def test_cases_are_made_looked_at_and_rejected(
    host: Host, server: Running, pictures: Path
) -> None:
    panel = made(host, server, NEW, "hippocampus-diffusion")
    picture(host.window, pictures / "synthesize.png")
    assert panel.chosen.GetName().startswith("SYNTHETIC")
    press(panel.ui.accept)
    press(panel.ui.reject)
    assert panel.ui.thumbnails.count == 1
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1
    press(panel.ui.copyCommand)
    said = slicer.app.clipboard().text()
    assert said == "verisim synthesize hippocampus-diffusion -n 2 --seed 77 -o synthetic"


def test_new_cases_are_audited_and_released(
    host: Host, server: Running, pictures: Path, tmp_path: Path
) -> None:
    made(host, server, NEW, "hippocampus-diffusion")
    panel = opened(host, server, "VerisimAudit")
    audited(panel)
    picture(host.window, pictures / "audit-pass.png")
    assert panel.audited.sentence.startswith("Pass"), panel.audited.sentence
    panel.ui.folder.currentPath = str(tmp_path)
    press(panel.ui.release)
    assert (tmp_path / "released" / "release.json").is_file(), panel.work.ui.message.text
    press(panel.ui.exportReport)
    assert "<h1>" in (tmp_path / "audit.html").read_text()
    press(panel.ui.release)
    assert "not empty" in panel.work.ui.message.text


def test_copies_are_blocked_and_shown_beside_what_they_copy(
    host: Host, server: Running, pictures: Path, tmp_path: Path
) -> None:
    """The sample cases that play patients are those of seed 0: made again, they are copies."""
    made(host, server, OLD, "hippocampus-diffusion")
    panel = opened(host, server, "VerisimAudit")
    audited(panel)
    picture(host.window, pictures / "audit-block.png")
    assert panel.audited.sentence.startswith("Block")
    panel.ui.folder.currentPath = str(tmp_path)
    assert not panel.ui.release.isEnabled()
    difference = slicer.util.array(panel_pair("difference").GetID())
    assert abs(difference).mean() < 0.5
    names = [node.GetAttribute("Verisim.Audit") for node in synthetic_nodes()]
    assert names == ["block", "block"]


def panel_pair(part: str) -> object:
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return next(node for node in nodes if node.GetName().endswith(part))


def synthetic_nodes() -> list[object]:
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node.GetAttribute("Verisim.Synthetic")]

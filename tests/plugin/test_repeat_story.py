"""The copied command repeats a result without Slicer, voxel by voxel, with the real program."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import slicer

from tests.plugin.real_data import PAIR
from tests.plugin.real_server import PROGRAM, ROOT, Running
from tests.plugin.stories import done, drawn, loaded, opened, segmented, shown
from tests.slicer_host.acting import press
from tests.slicer_host.window import Host
from VerisimLib.cases import study
from VerisimLib.nrrd import packed
from VerisimLib.scene import conditions, synthetic
from VerisimLib.scene.volumes import matrix_of


def repeated(panel: object, server: Running, folder: Path) -> str:
    """Copy the command and run it in a folder; what was copied."""
    press(panel.ui.copyCommand)
    text = str(slicer.app.clipboard().text())
    program, *words = shlex.split(text)
    assert program == "verisim"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "VERISIM_MODELS": str(server.folder.parent / "models"),
        "OMP_NUM_THREADS": "1",  # like the server: other threads add in another order
    }
    ran = subprocess.run(
        [PROGRAM, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return text


def saved(volume: object, folder: Path) -> None:
    """As a person saves a volume: under its own name."""
    assert slicer.util.saveNode(volume, str(folder / f"{volume.GetName()}.nrrd"), {})


def same_segmentation(panel: object, folder: Path) -> None:
    found = study((folder / "label.nrrd").read_bytes())
    assert np.array_equal(found.array, shown(panel))
    assert (found.array > 0).any()
    assert found.affine == pytest.approx(matrix_of(panel.ui.volume.currentNode()), abs=1e-4)


def test_a_segmentation_of_samples(host: Host, server: Running, tmp_path: Path) -> None:
    panel = loaded(host, server)
    volume = panel.ui.volume.currentNode()
    volume.SetName("my patient's scan")
    panel.ui.samples.value, panel.ui.seed.value = 3, 7
    segmented(panel, "hippocampus-medsegdiff")
    saved(volume, tmp_path)
    text = repeated(panel, server, tmp_path)
    assert text.endswith("--model hippocampus-medsegdiff --samples 3 --seed 7 -o label.nrrd")
    same_segmentation(panel, tmp_path)


def test_a_segmentation_of_two_channels(host: Host, server: Running, tmp_path: Path) -> None:
    panel = loaded(host, server)
    volume = panel.ui.volume.currentNode()
    flipped = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, volume, "flipped")
    slicer.util.updateVolumeFromArray(flipped, slicer.util.arrayFromVolume(volume)[:, :, ::-1])
    panel.ui.model.currentText = PAIR
    panel.ui.channel2.setCurrentNode(flipped)
    segmented(panel, PAIR)
    for one in (volume, flipped):
        saved(one, tmp_path)
    repeated(panel, server, tmp_path)
    same_segmentation(panel, tmp_path)


def same_cases(folder: Path) -> None:
    """The folder of a data set holds the cases of the scene."""
    images = sorted((folder / "synthetic" / "imagesTr").iterdir())
    cases = sorted(synthetic.cases(), key=lambda node: node.GetName())
    assert len(images) == len(cases)
    for path, node in zip(images, cases, strict=True):
        found = study(path.read_bytes())
        assert node.GetName() in f"SYNTHETIC {path.name}"
        assert np.array_equal(found.array, slicer.util.arrayFromVolume(node).T)
        assert found.affine == pytest.approx(matrix_of(node), abs=1e-4)


def test_a_case_of_a_seed_and_an_attribute(host: Host, server: Running, tmp_path: Path) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    panel.ui.model.currentText = "hippocampus-diffusion"
    panel.ui.count.value, panel.ui.seed.value = 1, 77
    panel.ui.attribute1.currentText = "large"
    press(panel.ui.makeButton)
    said = done(panel)
    assert panel.chosen is not None, said
    text = repeated(panel, server, tmp_path)
    assert "--seed 77 --attribute size=large" in text
    same_cases(tmp_path)


def test_a_case_of_a_drawn_label_map(host: Host, server: Running, tmp_path: Path) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    node = drawn("my drawing")
    panel.ui.model.currentText = "hippocampus-diffusion"
    panel.ui.condition.setCurrentNode(node)
    panel.ui.count.value, panel.ui.seed.value, panel.ui.steps.value = 1, 5, 3
    press(panel.ui.makeButton)
    said = done(panel)
    assert panel.chosen is not None, said
    content = packed(conditions.label_map(node, panel.model.labels))
    (tmp_path / "my drawing.nrrd").write_bytes(content)
    text = repeated(panel, server, tmp_path)
    assert "--steps 3 --labels 'my drawing.nrrd'" in text
    same_cases(tmp_path)

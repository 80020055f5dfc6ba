"""A steward makes cases that are nobody's and looks at them, with the real server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from PySide6.QtTest import QTest

from tests.plugin.real_server import Running
from tests.plugin.stories import (
    LONG,
    done,
    drawn,
    fold,
    key_is_kept_and_forgotten,
    loaded,
    made,
    nodes,
    opened,
    segmented,
)
from tests.slicer_host.acting import picture, press, qt, settle
from tests.slicer_host.window import Host
from VerisimLib.scene import conditions, synthetic

NEW = 77
"""A seed."""

FAST = "hippocampus-stylegan"


def look_at(panel: object, row: int) -> object:
    """Click on a thumbnail; the volume that is shown."""
    pictures = panel.ui.thumbnails
    place = pictures.visualItemRect(pictures.item(row)).center()
    QTest.mouseClick(pictures.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, place)
    settle()
    return panel.chosen


def test_cases_are_made_looked_at_accepted_and_rejected(
    host: Host, server: Running, pictures: Path
) -> None:
    panel = made(host, server, NEW)
    picture(host.window, pictures / "synthesize.png")
    kept, gone = look_at(panel, 0), look_at(panel, 1)
    assert kept is not gone
    assert all(one.GetName().startswith("SYNTHETIC") for one in (kept, gone))
    composite = host.layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == gone.GetID()
    press(panel.ui.reject)
    assert panel.ui.thumbnails.count == 1
    assert synthetic.cases() == (kept,)
    assert len(nodes("Segmentation")) == 1
    look_at(panel, 0)
    press(panel.ui.accept)
    assert kept.GetAttribute("Verisim.Accepted") == "yes"
    assert panel.ui.thumbnails.item(0).text().endswith("✓")
    assert "only after an audit" in panel.work.ui.message.text
    press(panel.ui.copyCommand)
    said = slicer.app.clipboard().text()
    assert said == "verisim synthesize hippocampus-diffusion -n 2 --seed 77 -o synthetic"


def test_a_seed_makes_the_same_cases_again(host: Host, server: Running) -> None:
    panel = made(host, server, NEW, FAST)
    for seed in (NEW, NEW + 1):
        panel.ui.seed.value = seed
        press(panel.ui.makeButton)
        done(panel)
    assert panel.ui.thumbnails.count == 6
    arrays = [slicer.util.arrayFromVolume(look_at(panel, row)) for row in range(6)]
    assert all(np.array_equal(arrays[k], arrays[k + 2]) for k in (0, 1))
    assert not any(np.array_equal(arrays[k], arrays[k + 4]) for k in (0, 1))
    assert not np.array_equal(arrays[0], arrays[1])


def test_a_drawn_label_map_is_shown_by_the_case(
    host: Host, server: Running, pictures: Path
) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    node = drawn("my drawing")
    panel.ui.model.currentText = "hippocampus-diffusion"
    panel.ui.condition.setCurrentNode(node)
    panel.ui.count.value, panel.ui.seed.value = 16, 5
    usual = panel.ui.estimate.text
    panel.ui.steps.value = 3
    assert panel.ui.estimate.text != usual
    panel.ui.count.value = 1
    press(panel.ui.makeButton)
    said = done(panel)
    assert panel.ui.thumbnails.count == 1, said
    (labels,) = nodes("Segmentation", "SYNTHETIC")
    asked = conditions.label_map(node, panel.model.labels)
    found = conditions.label_map(labels, panel.model.labels)
    assert np.array_equal(found.array, asked.array)
    assert np.allclose(found.affine, asked.affine, atol=1e-4)
    image = slicer.util.arrayFromVolume(panel.chosen).T
    inside, outside = image[asked.array > 0], image[asked.array == 0]
    assert abs(inside.mean() - outside.mean()) > 0.1 * image.std()
    picture(host.window, pictures / "drawn.png")


def test_a_model_of_any_labels_shows_those_that_were_drawn(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    node = drawn("my drawing")
    panel.ui.model.currentText = "random-contrast"
    panel.ui.condition.setCurrentNode(None)
    assert "needs a label map" in panel.ui.makeButton.toolTip
    panel.ui.condition.setCurrentNode(node)
    panel.ui.count.value = 1
    press(panel.ui.makeButton)
    said = done(panel)
    assert panel.ui.thumbnails.count == 1, said
    (labels,) = nodes("Segmentation", "SYNTHETIC")
    assert list(labels.GetSegmentation().GetSegmentIDs()) == ["anterior", "posterior"]
    found = conditions.label_map(labels, ()).array
    asked = conditions.label_map(node, ()).array
    assert found.shape == asked.shape
    assert 0.4 < (found == 1).sum() / (asked == 1).sum() < 2.5


def test_choices_come_back_with_the_scene(host: Host, server: Running, tmp_path: Path) -> None:
    ui = opened(host, server, "VerisimSynthesize").ui
    ui.condition.setCurrentNode(drawn("my drawing"))
    ui.model.currentText = "hippocampus-diffusion"
    assert ui.attribute1Label.text == "size:"
    ui.attribute1.currentText, ui.attribute2.currentText = "large", "odd"
    ui.count.value, ui.seed.value, ui.steps.value = 3, 42, 9
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path, {})
    ui.attribute1.currentText, ui.attribute2.currentText = "small", "any"
    ui.model.currentText = FAST
    ui.condition.setCurrentNode(None)
    ui.count.value, ui.seed.value, ui.steps.value = 1, 0, 0
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(path, {})
    assert ui.model.currentText == "hippocampus-diffusion"
    chosen = [combo.currentText for combo in (ui.attribute1, ui.attribute2, ui.attribute3)]
    assert chosen == ["large", "odd", "any"]
    assert (ui.count.value, ui.seed.value, ui.steps.value) == (3, 42, 9)
    assert ui.condition.currentNode().GetName() == "my drawing"


def test_what_is_being_made_is_cancelled(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    panel.ui.model.currentText = "hippocampus-diffusion"
    panel.ui.count.value = 16
    press(panel.ui.makeButton)
    settle(lambda: panel.work.ui.progress.value > 0, LONG)
    press(panel.work.ui.cancelButton)
    assert done(panel) == "Cancelled; nothing was changed."
    assert not synthetic.cases()


def test_a_synthetic_case_is_never_submitted(host: Host, server: Running) -> None:
    """Not even if a patient's volume was chosen meanwhile."""
    made(host, server, NEW, FAST)
    (case, _other) = synthetic.cases()
    panel = loaded(host, server)
    patient = panel.ui.volume.currentNode()
    panel.ui.volume.setCurrentNode(case)
    found = segmented(panel, "hippocampus-unet")
    assert found.GetName().startswith("SYNTHETIC")
    assert not panel.ui.submit.isEnabled()
    panel.ui.volume.setCurrentNode(patient)
    assert not panel.ui.submit.isEnabled()
    segmented(panel, "hippocampus-unet")
    assert panel.ui.submit.isEnabled()


def test_boxes_fold_and_unfold(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    fold(panel, (panel.ui.makeBox, panel.ui.model), (panel.ui.casesBox, panel.ui.thumbnails))


def test_a_key_is_kept_while_its_box_is_ticked(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimSynthesize")
    key_is_kept_and_forgotten(panel, "open-sesame")

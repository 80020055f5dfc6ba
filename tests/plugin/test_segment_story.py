"""A radiologist segments a hippocampus with the real server and its real models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import requests
import slicer
from PySide6.QtTest import QTest

from tests.plugin.real_data import PAIR
from tests.plugin.real_server import SAMPLE, Running
from tests.plugin.stories import (
    LONG,
    done,
    fold,
    key_is_kept_and_forgotten,
    loaded,
    nodes,
    segmented,
    shown,
)
from tests.slicer_host.acting import Gaps, click, measured_gaps, picture, press, qt, settle
from tests.slicer_host.window import Host
from VerisimLib.nrrd import Grid
from VerisimLib.scene.volumes import matrix_of

DIFFUSION, UNET = "hippocampus-medsegdiff", "hippocampus-unet"


@pytest.fixture
def panel(host: Host, server: Running) -> object:
    return loaded(host, server)


def until_shown(panel: object, gaps: Gaps) -> list[float]:
    """The longest gap of upload, wait and download: until the result is put into the scene."""
    show, longest = panel.results.show, []

    def shown_now(result: object) -> None:
        longest.append(gaps.longest_ms)
        show(result)

    panel.results.show = shown_now
    return longest


def test_a_volume_is_segmented(host: Host, panel: object, pictures: Path) -> None:
    panel.ui.model.currentText = DIFFUSION
    picture(host.window, pictures / "segment-before.png")
    assert panel.ui.segmentButton.isEnabled(), panel.ui.segmentButton.toolTip
    with measured_gaps() as gaps:
        press(panel.ui.segmentButton)
        waited = until_shown(panel, gaps)
        done(panel)
    assert waited[0] < 50
    node = panel.results.segmentation
    assert node is not None, panel.work.ui.message.text
    picture(host.window, pictures / "segment-after.png")


def placed(host: Host, panel: object, button: object, place: tuple[int, int]) -> None:
    """Press a button and click in the red view; the result has followed."""
    press(button)
    click(host.layout.sliceWidget("Red").sliceView(), *place)
    settle(lambda: not panel.work.busy and not panel.clicks.waiting, LONG)


def test_two_clicks_mend_the_result(host: Host, panel: object, pictures: Path) -> None:
    segmented(panel, UNET)
    before = shown(panel)
    placed(host, panel, panel.ui.belongs, (150, 100))
    placed(host, panel, panel.ui.notBelongs, (250, 220))
    assert "2 click" in panel.ui.clickAbout.text, panel.work.ui.message.text
    assert (shown(panel) != before).any()
    picture(host.window, pictures / "clicks.png")
    for _click in range(2):
        press(panel.ui.undoClick)
        done(panel)
    assert (shown(panel) == before).all()


def test_all_clicks_are_taken_back_at_once(host: Host, panel: object) -> None:
    segmented(panel, UNET)
    before = shown(panel)
    panel.ui.clickLabel.currentText = "posterior"
    for place in ((150, 100), (170, 120)):
        placed(host, panel, panel.ui.belongs, place)
        panel.ui.belongs.checked = False
    assert (shown(panel) == 2).sum() > (before == 2).sum()
    (points,) = nodes("MarkupsFiducial")
    assert points.GetNumberOfControlPoints() == 2
    press(panel.ui.clearClicks)
    assert done(panel) == "0 click(s) are followed."
    assert points.GetNumberOfControlPoints() == 0
    assert (shown(panel) == before).all()
    assert not panel.ui.clearClicks.isEnabled()


def test_two_models_are_compared_on_one_case(host: Host, panel: object, pictures: Path) -> None:
    panel.ui.other.currentText = DIFFUSION
    first = segmented(panel, UNET)
    (second,) = nodes("Segmentation", f"{SAMPLE.name[:-7]} {DIFFUSION}")[:1]
    (difference,) = nodes("Segmentation", "differ")
    assert difference.GetName() == f"{UNET} and {DIFFUSION} differ"
    one, other = shown(panel, first), shown(panel, second)
    volume = panel.ui.volume.currentNode()
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(difference, "differs", volume)
    assert np.array_equal(mask.T > 0, one != other)
    assert 0 < (one != other).sum() < (one > 0).sum()
    table = panel.ui.volumes.mrmlTableNode()
    told = {(table.GetCellText(k, 0), table.GetCellText(k, 1)): k for k in range(4)}
    voxel_ml = np.prod(volume.GetSpacing()) / 1000
    for model, found in ((UNET, one), (DIFFUSION, other)):
        for value, name in enumerate(("anterior", "posterior"), start=1):
            ml = float(table.GetCellText(told[model, name], 2))
            assert ml == pytest.approx((found == value).sum() * voxel_ml, rel=1e-3)
    picture(host.window, pictures / "compared.png")


def test_the_views_go_to_the_least_certain_slices(
    host: Host, panel: object, pictures: Path
) -> None:
    segmented(panel, UNET)
    volume = panel.ui.volume.currentNode()
    (map_node,) = nodes("ScalarVolume", "uncertainty")
    unsure = slicer.util.arrayFromVolume(map_node).T
    widgets = {name: host.layout.sliceWidget(name) for name in ("Yellow", "Green", "Red")}
    for widget in widgets.values():
        widget.sliceController().setSliceOffsetValue(widget.sliceLogic().GetSliceOffset() + 9)
    press(panel.ui.leastCertain)
    for axis, widget in enumerate(widgets.values()):
        sums = unsure.sum(axis=tuple({0, 1, 2} - {axis}))
        index = [0.0, 0.0, 0.0, 1.0]
        index[axis] = float(sums.argmax())
        through = widget.mrmlSliceNode().GetSliceToRAS().GetElement(axis, 3)
        assert through == pytest.approx((matrix_of(volume) @ index)[axis], abs=1e-3)
    picture(host.window, pictures / "least-certain.png")


def test_the_colours_of_uncertainty_come_and_go(host: Host, panel: object) -> None:
    segmented(panel, UNET)
    (map_node,) = nodes("ScalarVolume", "uncertainty")
    composite = host.layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == map_node.GetID()
    press(panel.ui.showUncertainty)
    assert composite.GetForegroundVolumeID() is None
    press(panel.ui.showUncertainty)
    panel.ui.opacity.value = 0.3
    assert composite.GetForegroundVolumeID() == map_node.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)


def test_samples_are_scrubbed_through(host: Host, panel: object, pictures: Path) -> None:
    panel.ui.samples.value = 3
    segmented(panel, DIFFUSION)
    (browser,) = nodes("SequenceBrowser")
    (sequence,) = nodes("Sequence", "samples")
    assert (sequence.GetNumberOfDataNodes(), panel.ui.sample.maximum) == (3, 3)
    proxy = browser.GetProxyNode(sequence)
    seen = []
    for number in (1, 2, 3):
        assert (panel.ui.sample.value, browser.GetSelectedItemNumber()) == (number, number - 1)
        sent: Grid = panel.results.result.answer.grids[f"sample-{number}"]
        seen.append(shown(panel, proxy))
        assert np.array_equal(seen[-1], sent.array)
        QTest.keyClick(panel.ui.sample, qt.Qt.Key_Right)
        settle()
    assert all((one != seen[0]).any() for one in seen[1:])
    picture(host.window, pictures / "sample.png")


def test_a_model_of_two_channels_sees_both(host: Host, panel: object, pictures: Path) -> None:
    """Each is half of what the shipped model sees: of one volume twice the answer is the same."""
    segmented(panel, UNET)
    wanted = shown(panel)
    volume = panel.ui.volume.currentNode()
    again = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, volume, "again")
    panel.ui.model.currentText = PAIR
    assert panel.ui.channel2Label.text == "T1 again:"
    panel.ui.channel2.setCurrentNode(again)
    segmented(panel, PAIR)
    found = shown(panel)
    assert (found != wanted).sum() < 0.01 * (wanted > 0).sum()
    slicer.util.updateVolumeFromArray(again, slicer.util.arrayFromVolume(volume)[:, :, ::-1])
    segmented(panel, PAIR)
    assert (shown(panel) != found).sum() > 0.01 * (wanted > 0).sum()
    picture(host.window, pictures / "two-channels.png")


def test_a_job_that_is_cancelled_ends_on_the_server(panel: object, server: Running) -> None:
    panel.ui.model.currentText = DIFFUSION
    panel.ui.samples.value = 50
    press(panel.ui.segmentButton)
    settle(lambda: "steps" in panel.work.ui.message.text, LONG)
    press(panel.work.ui.cancelButton)
    assert done(panel) == "Cancelled; nothing was changed."
    assert not nodes("Segmentation")
    settle(lambda: newest_job(server)["state"] == "cancelled", LONG)


def newest_job(server: Running) -> dict[str, object]:
    answer = requests.get(f"{server.address}/jobs", timeout=5)
    jobs: list[dict[str, object]] = answer.json()["jobs"]
    return jobs[0]


def test_boxes_fold_and_unfold(panel: object) -> None:
    ui = panel.ui
    fold(
        panel, (ui.segmentBox, ui.model), (ui.resultBox, ui.volumes), (ui.clicksBox, ui.clickLabel)
    )
    assert not ui.channel2.isVisible()


def test_a_key_is_kept_while_its_box_is_ticked(panel: object) -> None:
    key_is_kept_and_forgotten(panel, "open-sesame")

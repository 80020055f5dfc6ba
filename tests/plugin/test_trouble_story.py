"""What a radiologist reads when something goes wrong; the scene stays as it was."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.plugin.geometry import turned
from tests.plugin.misbehaving import Fake, misbehaving
from tests.slicer_host import guards
from tests.slicer_host.acting import measured_gaps, pause, press, settle, write
from tests.slicer_host.window import Host
from VerisimLib.client import Address, Client
from VerisimLib.scene import segments
from VerisimLib.server import Server

SIDES = (20, 30, 40)
LARGE = (256, 256, 150)
RESULT = "/jobs/1/files/label.nrrd"


@pytest.fixture(scope="module")
def one() -> Iterator[Fake]:
    with misbehaving() as fake:
        yield fake


@pytest.fixture
def server(one: Fake) -> Fake:
    one.behave()
    return one


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files would lie; at the end there is none."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def panel(host: Host, server: Fake, temporary: Path) -> object:
    return connected(host, server, SIDES)


def connected(host: Host, server: Fake, sides: tuple[int, int, int]) -> object:
    """A panel that has greeted the server, with a volume chosen."""
    panel = host.load(MODULES / "VerisimSegment.py").panel
    write(panel.connection.ui.address, server.address)
    settle(lambda: panel.info is not None)
    noise = np.random.default_rng(5).integers(0, 900, sides[::-1]).astype(np.int16)
    volume = slicer.util.addVolumeFromArray(noise, turned(), "brain")
    panel.ui.volume.setCurrentNode(volume)
    return panel


def idle(panel: object) -> bool:
    return not panel.work.busy


def scene_now() -> list[tuple[str, str]]:
    nodes = [slicer.mrmlScene.GetNthNode(k) for k in range(slicer.mrmlScene.GetNumberOfNodes())]
    return [(node.GetID(), node.GetName()) for node in nodes]


def segmented(panel: object, seconds: float = 20) -> str:
    """Press the button; what the panel says at the end."""
    press(panel.ui.segmentButton)
    settle(lambda: idle(panel), seconds)
    return str(panel.work.ui.message.text)


def test_all_goes_well(panel: object) -> None:
    assert segmented(panel) == "bright is done."
    result = panel.results.result
    found = segments.values(
        panel.results.segmentation, result.answer.model.labels, result.question
    )
    array = result.question.grid.array
    assert np.array_equal(found, array > array.mean())


TROUBLE = {
    "key": ({"key": "other"}, "does not let you in. Enter the key that its admin gave you."),
    "queue": (
        {"refuse": {"/jobs/segment": (429, {"Retry-After": "7"}, {})}},
        "The server is busy. Try again in 7 s.",
    ),
    "full": (
        {
            "refuse": {
                "/jobs/segment": (
                    503,
                    {"Retry-After": "7"},
                    {"message": "20 jobs wait.", "remedy": "Try again in 7 s."},
                )
            }
        },
        "20 jobs wait. Try again in 7 s.",
    ),
    "fault": (
        {"refuse": {"/jobs/segment": (500, {}, {"request_id": "ab12"})}},
        "The server failed (status 500). Ask its admin to look up ab12 in the log.",
    ),
    "large": (
        {"refuse": {"/jobs/segment": (413, {}, {"message": "Too large.", "remedy": "Crop it."})}},
        "Too large. Crop it.",
    ),
    "failed": (
        {"refuse": {"/jobs/1": (200, {}, {"id": "1", "state": "failed", "error": {
            "message": "The model saw only zeros.", "remedy": "Choose another volume."}})}},
        "The model saw only zeros. Choose another volume.",
    ),
    "cut": ({"cut": [RESULT]}, "ended before all had come. Try again; nothing of it was kept."),
    "shape": (
        {"crop": 3},
        "does not lie on the voxels of the volume (17 × 30 × 40 instead of 20 × 30 × 40). "
        "Nothing was changed. Tell the server's admin.",
    ),
    "garbage": (
        {"refuse": {RESULT: (200, {}, "no volume")}},
        "The server's volume cannot be read. Try again; then tell its admin.",
    ),
    "odd": ({"refuse": {"/jobs/1": (200, {}, {"hello": 1})}}, "cannot be read. Try again"),
    "no id": ({"refuse": {"/jobs/segment": (200, {}, {})}}, "told no number. Try again."),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_a_sentence_with_a_remedy_and_changes_nothing(
    panel: object, server: Fake, name: str
) -> None:
    behaviour, said = TROUBLE[name]
    before = scene_now()
    server.behave(**behaviour)
    assert said in segmented(panel)
    assert scene_now() == before
    server.behave()
    assert segmented(panel) == "bright is done."


def test_a_server_that_has_gone_is_a_sentence(panel: object) -> None:
    before = scene_now()
    panel.address = Address("http://127.0.0.1:9")
    assert "Nothing listens at 127.0.0.1:9. Start the server" in segmented(panel)
    assert scene_now() == before


def test_a_server_that_falls_silent_is_given_up(panel: object, server: Fake) -> None:
    server.behave(silent={"/jobs/segment": 30})
    panel._reach = lambda address, job: Server(Client(address, lambda: job.cancelled, seconds=0.5))
    before = scene_now()
    assert "did not answer within 0.5 s." in segmented(panel)
    assert scene_now() == before


def test_a_server_that_is_away_for_a_moment_is_asked_again(panel: object, server: Fake) -> None:
    server.behave(refuse={"/jobs/1": (503, {}, {})})
    press(panel.ui.segmentButton)
    settle(lambda: "Trying again: 2" in panel.work.ui.message.text)
    panel.work.cancel()
    settle(lambda: idle(panel))


def test_a_plain_server_segments_and_nothing_else(host: Host, server: Fake) -> None:
    plain = {"type": "segmentation", "description": "", "labels": ["bright"], "config": {}}
    info = {"name": "MONAILabel - Radiology", "version": "0.8.5", "models": {"bright": plain}}
    server.behave(info=info)
    panel = connected(host, server, SIDES)
    assert segmented(panel) == "bright is done."
    assert server.seen() == ["GET /info/", "POST /infer/bright"]
    for button in (panel.ui.train, panel.ui.belongs, panel.ui.nextCase):
        assert not button.isEnabled()


STAGES = {
    "upload": ({"rate": 300_000}, "Sending"),
    "wait": ({"looks": -1}, "Working"),
    "silence": ({"silent": {"/jobs/1": 30}}, "Sending"),
    "download": ({"silent": {RESULT: 30}}, "Working"),
}


def reached(panel: object, server: Fake, stage: str) -> None:
    """The panel is busy with this."""
    asked = {"upload": "HEAD", "wait": "GET /jobs/1", "silence": "GET /jobs/1"}
    wanted = asked.get(stage, f"GET {RESULT}")
    settle(lambda: any(one.startswith(wanted) for one in server.seen()))
    pause(0.2)
    assert panel.work.busy, panel.work.ui.message.text


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_works_at_any_moment(panel: object, server: Fake, stage: str) -> None:
    server.behave(**STAGES[stage][0])
    before = scene_now()
    press(panel.ui.segmentButton)
    reached(panel, server, stage)
    press(panel.work.ui.cancelButton)
    settle(lambda: idle(panel), 1)
    assert panel.work.ui.message.text == "Cancelled; nothing was changed."
    settle(lambda: not guards.running_jobs(), 2)
    assert scene_now() == before
    assert ("DELETE /jobs/1" in server.seen()) == (stage in ("wait", "silence"))


@pytest.mark.parametrize("stage", STAGES)
def test_the_scene_is_closed_at_any_moment(panel: object, server: Fake, stage: str) -> None:
    server.behave(**STAGES[stage][0])
    press(panel.ui.segmentButton)
    reached(panel, server, stage)
    slicer.mrmlScene.Clear(0)
    settle(lambda: idle(panel), 1)
    settle(lambda: not guards.running_jobs(), 2)
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert ("DELETE /jobs/1" in server.seen()) == (stage in ("wait", "silence"))


@pytest.mark.parametrize("stage", STAGES)
def test_the_window_is_closed_at_any_moment(
    host: Host, panel: object, server: Fake, stage: str
) -> None:
    server.behave(**STAGES[stage][0])
    press(panel.ui.segmentButton)
    reached(panel, server, stage)
    host.close()
    settle(lambda: not guards.running_jobs(), 2)
    assert ("DELETE /jobs/1" in server.seen()) == (stage in ("wait", "silence"))


def test_a_job_that_was_asked_for_before_the_cancel_is_ended(panel: object, server: Fake) -> None:
    """The answer with the job's number comes after the person has cancelled."""
    server.behave(silent={"/jobs/segment": 1.0}, looks=-1)
    press(panel.ui.segmentButton)
    settle(lambda: "POST /jobs/segment" in server.seen())
    press(panel.work.ui.cancelButton)
    settle(lambda: not guards.running_jobs(), 4)
    assert server.seen()[-1] == "DELETE /jobs/1"


def test_the_volume_that_goes_meanwhile_gets_no_result(panel: object, server: Fake) -> None:
    server.behave(looks=1)
    press(panel.ui.segmentButton)
    slicer.mrmlScene.RemoveNode(panel.ui.volume.currentNode())
    settle(lambda: idle(panel))
    assert panel.work.ui.message.text.startswith("The volume is gone")
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def test_a_large_volume_never_holds_up_the_window(
    host: Host, server: Fake, temporary: Path
) -> None:
    panel = connected(host, server, LARGE)
    shown: list[object] = []
    panel._show = lambda question, answers, names: shown.append(answers)
    server.behave(rate=40_000_000)
    gc.collect()
    gc.freeze()  # what earlier tests left is not searched for garbage meanwhile
    with measured_gaps() as gaps:
        press(panel.ui.segmentButton)
        settle(lambda: idle(panel), 60)
    assert len(shown) == 1, panel.work.ui.message.text
    gc.unfreeze()
    assert gaps.longest_ms < 50

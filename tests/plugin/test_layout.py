"""No text of a panel is cut off, however narrow the panel is."""

from __future__ import annotations

from collections.abc import Iterator

import ctk
import pytest
import qt

from tests.plugin.conftest import MODULES
from tests.plugin.fake_server import MODEL
from tests.plugin.misbehaving import Fake, misbehaving
from tests.slicer_host.acting import rest, settle, write
from tests.slicer_host.window import Host
from VerisimLib.panels.audit import Audited

MODULE_NAMES = ("VerisimSegment", "VerisimSynthesize", "VerisimAudit")
WIDTHS_PX = (320, 360, 420, 500)
LONG = (
    "New cases of one hippocampus in T1-weighted MRI: the crop of about 35 x 50 x 36 mm, and its "
    "label map, of the size, the side and the brightness that a person chooses."
)
NAME = "hippocampus-of-a-long-name-v3"
ASKED = {"size": ["small"], "side": ["left", "right"], "intensity": ["dark", "bright"]}
FINDS = {**MODEL, "description": LONG, "channels": ["T1", "FLAIR"], "config": {"samples": 4}}
MAKES = {**MODEL, "type": "others", "description": LONG, "attributes": ASKED}
INFO = {"name": "Verisim", "version": "0.1.0", "models": {NAME: FINDS, f"{NAME}-maker": MAKES}}


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    with misbehaving() as fake:
        fake.behave(info=INFO)
        yield fake


def narrowed(host: Host, width: int) -> None:
    """The panel as wide as that, its window low: what does not fit is scrolled to."""
    host.window.resize(width, 300)
    rest()
    place = host.panel.parentWidget()
    host.window.resize(host.window.width + width - place.width, 300)
    rest()


def cut_off(panel: object) -> list[str]:
    """Names of the visible widgets that have less room than their texts need."""
    found = []
    for kind in (qt.QLabel, qt.QPushButton, qt.QCheckBox):
        for widget in panel.findChildren(kind):
            if widget.isVisible() and widget.text and lacks_room(widget):
                found.append(f"{widget.name} {widget.width} x {widget.height}: {widget.text}")
    return found


def lacks_room(widget: object) -> bool:
    if widget.inherits("QLabel") and widget.wordWrap:
        return bool(widget.height < widget.heightForWidth(widget.width))
    needed = widget.minimumSizeHint
    return bool(widget.height < needed.height() or widget.width < needed.width())


def check(host: Host, width: int) -> None:
    narrowed(host, width)
    assert host.panel.width == width
    assert cut_off(host.panel) == []
    for label in host.panel.findChildren(qt.QLabel):
        if label.wordWrap:  # one grows while the others stand
            before, label.text = label.text, LONG
            rest()
            assert cut_off(host.panel) == [], label.name
            label.text = before


@pytest.mark.parametrize("width", WIDTHS_PX)
@pytest.mark.parametrize("module", MODULE_NAMES)
def test_every_text_has_its_room(
    host_without_views: Host, server: Fake, module: str, width: int
) -> None:
    host = host_without_views
    panel = host.load(MODULES / f"{module}.py").panel
    check(host, width)
    write(panel.connection.ui.address, server.address)
    settle(lambda: panel.info is not None and not panel.work.busy)
    check(host, width)
    for box in host.panel.findChildren(ctk.ctkCollapsibleButton):
        box.collapsed = False
    check(host, width)


def a_report(names: list[str]) -> dict[str, object]:
    cases = [
        {
            "name": name,
            "word": "block",
            "measure": "m",
            "sights": [{"measure": "m", "nearest": "patient_017"}],
            "score": 175.834 - k,
            "p": 1 / 21,
            "q": 1 / 21,
        }
        for k, name in enumerate(names)
    ]
    return {"cases": cases, "strata": [{"held_out_scores": [1.0, 2.0], "threshold": 4.0}]}


def test_the_score_table_shows_whole_words_but_of_long_names_the_ends(host: Host) -> None:
    panel = host.load(MODULES / "VerisimAudit.py").panel
    names = [f"synthetic_hippocampus-diffusion-v3_s0_{k:05}" for k in range(3)]
    asked = {"synthesis": "1"}
    panel._show(Audited("Block.", a_report(names), b"", (), b"", asked))
    rest()
    view = panel.ui.cases
    assert view.textElideMode == qt.Qt.ElideMiddle
    for column in range(1, view.model().columnCount()):
        assert view.columnWidth(column) >= view.sizeHintForColumn(column), column
    shown = sum(view.columnWidth(column) for column in range(5))
    assert shown <= view.viewport().width  # case, verdict, score, p and q without scrolling
    view.entered.emit(view.model().index(2, 0))
    assert view.viewport().toolTip == names[2]

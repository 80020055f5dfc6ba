"""No button of a panel is left that no story has clicked with the real server."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.plugin.conftest import CLICKED, MODULES, ROOT

FILES = MODULES / "Resources" / "UI"
EVERYWHERE = ("Connection", "Work")
"""Files that every panel shows."""

KINDS = {
    *("QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "QCommandLinkButton"),
    *("ctkCollapsibleButton", "ctkPushButton", "ctkCheckablePushButton", "ctkExpandButton"),
}
"""Classes of buttons; other classes whose names say so count, too."""


def buttons(file: str) -> set[str]:
    """Names of the buttons of a `.ui` file."""
    tree = ET.parse(FILES / f"{file}.ui")
    widgets = [(one.get("class", ""), one.get("name", "")) for one in tree.iter("widget")]
    return {name for kind, name in widgets if kind in KINDS or kind.endswith("Button")}


def all_buttons() -> set[str]:
    """Places of all buttons of the three panels, as they are counted when they are clicked."""
    panels = {path.stem for path in FILES.glob("*.ui")} - set(EVERYWHERE)
    return {
        f"Verisim{panel}/{file}.{name}"
        for panel in panels
        for file in (panel, *EVERYWHERE)
        for name in buttons(file)
    }


def test_the_files_are_read() -> None:
    assert len(all_buttons()) > 40
    assert {
        "VerisimSegment/Segment.nextCase",
        "VerisimAudit/Audit.standIn",
        "VerisimSynthesize/Work.cancelButton",
        "VerisimAudit/Connection.connectionBox",
    } <= all_buttons()


def test_every_button_is_clicked_with_the_real_server(request: pytest.FixtureRequest) -> None:
    ran = {item.path.name for item in request.session.items}
    missing = {path.name for path in (ROOT / "tests" / "plugin").glob("test_*_story.py")} - ran
    if missing or request.config.getoption("keyword"):
        pytest.skip(f"only with all stories: {', '.join(sorted(missing)) or 'some are left out'}")
    assert sorted(all_buttons() - CLICKED) == []

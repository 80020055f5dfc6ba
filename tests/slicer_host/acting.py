"""What a test does as a person: click, wait, look; and what it measures meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import slicer
from PySide6.QtTest import QTest

from tests.slicer_host import pythonqt
from tests.slicer_host.views import SliceView, View

qt = pythonqt.install()

LAYOUT_TURNS = 12
"""A text that grows tells its box, which tells its own, one turn of the event loop each."""

SCHEDULED = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds in which a thread ran, and in which it waited for its turn."""

CORNER_PX = 10
"""From the left upper corner of a button: there check boxes have their box, others their face."""

TURNS = 3
"""Of the event loop, until a panel whose boxes unfold has its new height."""

UI_TOP = "qMRMLWidget"
"""Class of the top widget of every `.ui` file."""

clicked: list[str] = []
"""Places of the buttons that were clicked, in order; whoever counts them empties it before."""


def settle(condition: Callable[[], bool] = lambda: True, seconds: float = 10.0) -> None:
    """Processes events until the condition holds, and once more.

    Raises:
        AssertionError: It did not within the time.
    """
    end = time.monotonic() + seconds
    slicer.app.processEvents()
    while not condition():
        assert time.monotonic() < end, f"not settled after {seconds} s"
        time.sleep(0.002)
        slicer.app.processEvents()
    slicer.app.processEvents()


def pause(seconds: float) -> None:
    """Processes events for a while."""
    end = time.monotonic() + seconds
    settle(lambda: time.monotonic() > end, seconds + 10)


def rest() -> None:
    """Processes events until boxes inside boxes have found their sizes."""
    for _ in range(LAYOUT_TURNS):
        slicer.app.processEvents()


def press(button: object) -> None:
    """A real mouse click on a button that a person could click; it is scrolled to before.

    Raises:
        AssertionError: It is hidden or disabled, or does not hear the click.
    """
    assert button.isVisible(), f"{button.name} is hidden"
    assert button.isEnabled(), f"{button.name} is disabled"
    _scroll_to(button)
    heard: list[bool] = []
    button.connect("clicked(bool)", heard.append)
    corner = qt.QPoint(min(CORNER_PX, button.width // 2), min(CORNER_PX, button.height // 2))
    QTest.mouseClick(button, qt.Qt.LeftButton, qt.Qt.NoModifier, corner)
    button.disconnect("clicked(bool)", heard.append)
    assert heard, f"{button.name} did not hear the click"
    clicked.append(place_of(button))
    slicer.app.processEvents()


def place_of(widget: object) -> str:
    """Where a widget is: MODULE/FILE.NAME, for example VerisimSegment/Work.cancelButton."""
    file, above = "", widget
    while above is not None and not hasattr(above, "self"):
        file = above.objectName if above.className() == UI_TOP else file
        above = above.parentWidget()
    module = above.self() if above is not None else None
    return f"{getattr(module, 'moduleName', '')}/{file}.{widget.objectName}"


def _scroll_to(widget: object) -> None:
    """Bring a widget into sight, as a person does who looks for it."""
    areas, above = [], widget.parentWidget()
    while above is not None:
        areas += [above] if isinstance(above, qt.QScrollArea) else []
        above = above.parentWidget()
    for _turn in range(TURNS):
        for area in areas:
            area.ensureWidgetVisible(widget)
        slicer.app.processEvents()
    assert not widget.visibleRegion().isEmpty(), f"{widget.name} cannot be seen"


def write(edit: object, text: str) -> None:
    """Replaces the text of an edit by typing, and leaves it with Enter."""
    edit.setFocus()
    edit.selectAll()
    if text.isascii():
        QTest.keyClicks(edit, text)
    else:
        edit.insert(text)  # QTest knows no other keys, and aborts
    QTest.keyClick(edit, qt.Qt.Key_Return)
    slicer.app.processEvents()


def click(view: View, x: int, y: int) -> None:
    """A left click at a pixel of a view, counted from its left upper corner."""
    place = qt.QPoint(x, y)
    QTest.mouseMove(view, place)
    slicer.app.processEvents()
    move(view, x, y)
    QTest.mouseClick(view, qt.Qt.LeftButton, qt.Qt.NoModifier, place)
    slicer.app.processEvents()


def move(view: View, x: int, y: int) -> None:
    """The mouse over a pixel: VTK takes a click only where it has seen the mouse."""
    place = qt.QPointF(x, y)
    event = qt.QMouseEvent(
        qt.QEvent.MouseMove, place, place, qt.Qt.NoButton, qt.Qt.NoButton, qt.Qt.NoModifier
    )
    qt.QApplication.sendEvent(view, event)


def pixel_of(view: SliceView, ras: tuple[float, float, float]) -> tuple[int, int]:
    """The pixel of a slice view, from its left upper corner, that shows a point in mm."""
    node = view.logic.GetSliceNode()
    matrix = node.GetXYToRAS().NewInstance()
    matrix.DeepCopy(node.GetXYToRAS())
    matrix.Invert()
    x, y, *_ = matrix.MultiplyPoint((*ras, 1.0))
    return round(x), view.height - 1 - round(y)


def ras_at(view: SliceView, x: int, y: int) -> tuple[float, float, float]:
    """The point in mm that a pixel of a slice view shows."""
    matrix = view.logic.GetSliceNode().GetXYToRAS()
    place = matrix.MultiplyPoint((x, view.height - 1 - y, 0.0, 1.0))
    return place[0], place[1], place[2]


def picture(widget: object, path: Path) -> Path:
    """A PNG of a widget with all that is inside."""
    rest()
    path.parent.mkdir(parents=True, exist_ok=True)
    assert widget.grab().save(str(path))
    return path


@dataclass
class Gaps:
    """How long the event loop stood still.

    Args:
        longest_ms: Between two ticks of a timer of 1 ms, without the time in which the thread
            could have run and other programs had the processors.
    """

    longest_ms: float = 0.0


def _own_seconds() -> float:
    """A clock that stands still while this thread waits for a processor."""
    _running, waiting, _turns = SCHEDULED.read_text().split() if SCHEDULED.exists() else "000"
    return time.perf_counter() - int(waiting) / 1e9


@contextmanager
def measured_gaps() -> Iterator[Gaps]:
    """Measures the longest time in which the event loop did nothing."""
    gaps, last = Gaps(), [_own_seconds()]

    def tick() -> None:
        now = _own_seconds()
        gaps.longest_ms = max(gaps.longest_ms, 1000 * (now - last[0]))
        last[0] = now

    timer = qt.QTimer()
    timer.setTimerType(qt.Qt.PreciseTimer)
    timer.setObjectName(pythonqt.HOST_CLOCK)
    timer.connect("timeout()", tick)
    timer.start(1)
    try:
        yield gaps
    finally:
        tick()
        timer.stop()

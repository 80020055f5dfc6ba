"""What the application would only print: a list that must be empty when a test ends."""

from __future__ import annotations

import functools
import sys
import threading
import time
import types
from collections.abc import Callable

import vtk

JOB_THREAD = "verisim-job"
"""How the names of the plugin's threads begin."""

LONGEST_BEAT_MS = 50
"""Slicer's event loop starves threads: a timer this quick must tick while one runs."""

problems: list[str] = []
"""What went wrong and did not raise where the test would have seen it."""

MAIN = threading.main_thread()


def report(problem: str) -> None:
    """Adds to the list."""
    problems.append(problem)


def expected(part: str) -> str:
    """Takes a provoked problem off the list.

    Args:
        part: Words that it contains.

    Raises:
        AssertionError: No problem contains them.
    """
    found = [problem for problem in problems if part in problem]
    assert found, f"no problem says {part!r}: {problems}"
    problems[:] = [problem for problem in problems if problem not in found]
    return found[0]


def check_thread(what: str) -> None:
    """Notes a call that only the main thread may make."""
    if threading.current_thread() is not MAIN:
        report(f"{what} from thread {threading.current_thread().name}")


def only_on_the_main_thread(module: types.ModuleType) -> None:
    """Lets every function of a module note calls from other threads."""
    for name, function in list(vars(module).items()):
        if isinstance(function, types.FunctionType) and not hasattr(function, "guarded"):
            setattr(module, name, _guarded(f"{module.__name__}.{name}", function))


def _guarded(name: str, function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def guarded(*args: object, **kwargs: object) -> object:
        check_thread(name)
        return function(*args, **kwargs)

    guarded.guarded = True  # type: ignore[attr-defined]
    return guarded


def watch_exceptions() -> None:
    """Exceptions in slots, timers, observers and threads are printed and swallowed: note them."""
    sys.excepthook = _note_exception
    threading.excepthook = lambda args: report(
        f"{args.exc_type.__name__} in thread: {args.exc_value}"
    )


def _note_exception(
    kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
) -> None:
    report(f"{kind.__name__}: {error}")
    sys.__excepthook__(kind, error, trace)


def watch_vtk() -> None:
    """Errors of VTK and MRML do not raise: note them."""
    window = vtk.vtkOutputWindow.GetInstance()

    def note(_caller: object, _event: str, text: str) -> None:
        report(f"VTK: {text.strip()}")

    note.CallDataType = vtk.VTK_STRING  # type: ignore[attr-defined]
    window.RemoveObservers("ErrorEvent")
    window.AddObserver("ErrorEvent", note)


def watch_scene(scene: vtk.vtkObject) -> None:
    """Nodes that are added or changed from another thread are noted, whoever does it."""

    def note(caller: vtk.vtkObject | None, _event: str) -> None:
        if caller is not None:  # None while the process ends
            check_thread(f"a change of {caller.GetClassName()}")

    def note_node(
        caller: vtk.vtkObject | None, event: str, node: vtk.vtkObject | None = None
    ) -> None:
        note(caller, event)
        if node is not None:
            node.AddObserver("ModifiedEvent", note)

    note_node.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
    scene.AddObserver(scene.NodeAddedEvent, note_node)
    scene.AddObserver(scene.NodeRemovedEvent, note)


def running_jobs() -> list[str]:
    """Names of the plugin's threads that are alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith(JOB_THREAD)]


class Heartbeat:
    """Notes a job that runs while no quick timer ticks."""

    def __init__(self, intervals_ms: Callable[[], list[int]]) -> None:
        self._intervals_ms = intervals_ms
        self._missing_since: float | None = None

    def look(self) -> None:
        """To be called now and then while events are processed."""
        beating = any(interval <= LONGEST_BEAT_MS for interval in self._intervals_ms())
        if beating or not running_jobs():
            self._missing_since = None
            return
        # the timer may stop a moment before the thread has quite ended
        self._missing_since = self._missing_since or time.monotonic()
        if time.monotonic() - self._missing_since > 0.1:
            report(f"{running_jobs()[0]} runs without a timer of {LONGEST_BEAT_MS} ms")
            self._missing_since = None

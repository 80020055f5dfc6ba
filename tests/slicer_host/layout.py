"""The object `slicer.app.layoutManager()`: four views, two by two."""

from __future__ import annotations

import slicer
import vtk

from tests.slicer_host import guards, pythonqt
from tests.slicer_host.application import collection
from tests.slicer_host.scene import World
from tests.slicer_host.views import ORIENTATIONS, SliceView, SpaceView, View

qt = pythonqt.install()


class SliceController:
    """What `sliceWidget(name).sliceController()` can do."""

    def __init__(self, view: SliceView) -> None:
        self._view = view

    def setSliceOffsetValue(self, offset: float) -> None:
        """Moves the slice along its normal, in mm."""
        self._view.logic.SetSliceOffset(offset)

    def fitSliceToBackground(self) -> None:
        """Shows the whole volume."""
        self._view.logic.FitSliceToBackground()

    def setSliceLink(self, linked: bool) -> None:
        """Other slice views follow."""
        self._view.logic.GetSliceCompositeNode().SetLinkedControl(linked)


class SliceFrame(qt.QWidget):
    """What `sliceWidget(name)` is."""

    def __init__(self, view: SliceView) -> None:
        super().__init__()
        self._view, self._controller = view, SliceController(view)
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(view)

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        """Computes the slice."""
        return self._view.logic

    def sliceView(self) -> SliceView:
        """The picture."""
        return self._view

    def sliceController(self) -> SliceController:
        """The bar above it."""
        return self._controller

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        """Where the slice is."""
        return self._view.logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:
        """Which volumes it shows."""
        return self._view.logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Shows the whole volume."""
        self._view.logic.FitSliceToBackground()


class SpaceFrame(qt.QWidget):
    """What `threeDWidget(i)` is."""

    def __init__(self, view: SpaceView) -> None:
        super().__init__()
        self._view = view
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(view)

    def threeDView(self) -> SpaceView:
        """The picture."""
        return self._view

    def viewLogic(self) -> slicer.vtkMRMLViewLogic:
        """Its logic."""
        return self._view.logic

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        """How it looks."""
        return self._view.logic.GetViewNode()


class LayoutManager:
    """The views of a window.

    Args:
        world: Scene and logics.
        place: The widget that they fill.
    """

    def __init__(self, world: World, place: object) -> None:
        self._slices = {name: SliceFrame(SliceView(world, name)) for name in ORIENTATIONS}
        self._space = SpaceFrame(SpaceView(world))
        self.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
        grid = qt.QGridLayout(place)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        frames = (self._slices["Red"], self._space, self._slices["Green"], self._slices["Yellow"])
        for index, frame in enumerate(frames):
            grid.addWidget(frame, index // 2, index % 2)

    def sliceViewNames(self) -> tuple[str, ...]:
        """Red, Yellow, Green."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceFrame | None:
        """By its name; None and a problem if there is none."""
        if name not in self._slices:
            guards.report(f"no slice view {name}")
        return self._slices.get(name)

    def threeDWidget(self, index: int) -> SpaceFrame | None:
        """There is one."""
        return self._space if index == 0 else None

    @property
    def threeDViewCount(self) -> int:
        """One."""
        return 1

    def setLayout(self, layout: int) -> None:
        """Remembered; the host always shows four views."""
        self.layout = layout

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        """Of all slice views."""
        return collection([frame.sliceLogic() for frame in self._slices.values()])

    def mrmlViewLogics(self) -> vtk.vtkCollection:
        """Of the view of space."""
        return collection([self._space.viewLogic()])

    def resetSliceViews(self) -> None:
        """Each slice view shows its whole volume."""
        for frame in self._slices.values():
            frame.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Space is seen from the front."""
        self._space.threeDView().renderer.ResetCamera()

    def views(self) -> list[View]:
        """Used by the host only."""
        slices: list[View] = [frame.sliceView() for frame in self._slices.values()]
        return [*slices, self._space.threeDView()]

"""Real views of slices and of space, painted into Qt widgets; clicks place real points."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from tests.slicer_host import pythonqt
from tests.slicer_host.scene import World

qt = pythonqt.install()

IN_SLICES = "Crosshair ModelSlice OrientationMarker Ruler Markups VolumeGlyphSlice Segmentations2D"
IN_SPACE = "VolumeRendering Camera View Model OrientationMarker Ruler Markups Segmentations3D"
COLORS = {"Red": (0.95, 0.29, 0.24), "Yellow": (0.93, 0.84, 0.30), "Green": (0.43, 0.69, 0.29)}
ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
BUTTONS = {"LeftButton": "Left", "RightButton": "Right", "MiddleButton": "Middle"}


def _full(name: str) -> str:
    dimension = name[-2:] if name.endswith(("2D", "3D")) else ""
    return f"vtkMRML{name.removesuffix(dimension)}DisplayableManager{dimension}"


class View(qt.QWidget):
    """A render window behind a widget.

    Args:
        world: Scene and logics.
        factory: Makes the displayable managers.
        managers: Short names of those that are wanted.
    """

    def __init__(self, world: World, factory: vtk.vtkObject, managers: str) -> None:
        super().__init__()
        self.world = world
        self.setMinimumSize(120, 100)
        self.setMouseTracking(True)
        self.setFocusPolicy(qt.Qt.StrongFocus)
        self._window, self._interactor = (
            vtk.vtkRenderWindow(),
            vtk.vtkGenericRenderWindowInteractor(),
        )
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.renderer = vtk.vtkRenderer()
        self._window.AddRenderer(self.renderer)
        factory.SetMRMLApplicationLogic(world.application_logic)
        for name in map(_full, managers.split()):
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.Initialize(factory, self.renderer)
        self._group.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.update())

    def _begin(self, style: vtk.vtkObject, node: vtk.vtkObject) -> None:
        style.SetDisplayableManagers(self._group)
        style.SetInteractor(self._interactor)
        self._interactor.Initialize()
        self._style = style
        self._group.SetMRMLDisplayableNode(node)

    def renderWindow(self) -> vtk.vtkRenderWindow:
        """VTK's window."""
        return self._window

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        """VTK's interactor."""
        return self._interactor

    def scheduleRender(self) -> None:
        """Paints in the next turn of the event loop."""
        self.update()

    def forceRender(self) -> None:
        """Renders now."""
        self._window.Render()
        self.update()

    def pixels(self) -> np.ndarray:
        """What is seen, (rows, columns, RGB), row 0 on top."""
        self._window.Render()
        reader = vtk.vtkWindowToImageFilter()
        reader.SetInput(self._window)
        reader.ReadFrontBufferOff()
        reader.ShouldRerenderOff()
        reader.Update()
        image = reader.GetOutput()
        columns, rows, _ = image.GetDimensions()
        flat = vtk_to_numpy(image.GetPointData().GetScalars())
        return np.ascontiguousarray(flat.reshape(rows, columns, -1)[::-1, :, :3])

    def paintEvent(self, _event: object) -> None:
        """The picture of VTK as one of Qt."""
        array = self.pixels()
        rows, columns, _ = array.shape
        image = qt.QImage(array.tobytes(), columns, rows, 3 * columns, qt.QImage.Format_RGB888)
        painter = qt.QPainter(self)
        painter.drawImage(0, 0, image)
        painter.end()

    def resizeEvent(self, _event: object) -> None:
        """Window and interactor follow the widget."""
        width, height = max(self.width, 2), max(self.height, 2)
        self._window.SetSize(width, height)
        self._interactor.UpdateSize(width, height)
        self._resized(width, height)

    def _resized(self, width: int, height: int) -> None:
        """For the kinds of views."""

    def _send(self, event: object, name: str) -> None:
        keys = event.modifiers()
        control = bool(keys & qt.Qt.ControlModifier)
        shift = bool(keys & qt.Qt.ShiftModifier)
        place = event.position().toPoint()
        self._interactor.SetEventInformationFlipY(place.x(), place.y(), control, shift)
        self._interactor.InvokeEvent(name)
        self.update()

    def mouseMoveEvent(self, event: object) -> None:
        """To VTK."""
        self._send(event, "MouseMoveEvent")

    def mousePressEvent(self, event: object) -> None:
        """To VTK."""
        self._send(event, f"{BUTTONS[event.button().name]}ButtonPressEvent")

    def mouseReleaseEvent(self, event: object) -> None:
        """To VTK."""
        self._send(event, f"{BUTTONS[event.button().name]}ButtonReleaseEvent")

    def wheelEvent(self, event: object) -> None:
        """To VTK."""
        way = "Forward" if event.angleDelta().y() > 0 else "Backward"
        self._send(event, f"MouseWheel{way}Event")

    def keyPressEvent(self, event: object) -> None:
        """To VTK, by the name of the key."""
        name = "Escape" if event.key() == qt.Qt.Key_Escape else event.text()
        self._interactor.SetKeySym(name)
        self._interactor.InvokeEvent("KeyPressEvent")


class SliceView(View):
    """One slice through the scene.

    Args:
        name: "Red", "Yellow" or "Green".
    """

    def __init__(self, world: World, name: str) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(world, factory, IN_SLICES)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(world.application_logic)
        world.application_logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(world.scene)
        node = self.logic.AddSliceNode(name)
        node.SetOrientation(ORIENTATIONS[name])
        node.SetLayoutLabel(name[0])
        node.SetLayoutColor(*COLORS[name])
        node.SetMappedInLayout(1)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._image()
        style = slicer.vtkMRMLSliceViewInteractorStyle()
        style.SetSliceLogic(self.logic)
        self._begin(style, node)

    def _image(self) -> None:
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)
        self.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow)
        self._actor = actor
        self._follow()

    def _follow(self, *_event: object) -> None:
        connection = self.logic.GetImageDataConnection()
        self._actor.SetVisibility(connection is not None)
        self._mapper.SetInputConnection(connection)
        self.update()

    def _resized(self, width: int, height: int) -> None:
        self.logic.ResizeSliceNode(width, height)


class SpaceView(View):
    """The scene in three dimensions."""

    def __init__(self, world: World) -> None:
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(world, factory, IN_SPACE)
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(world.application_logic)
        world.application_logic.GetViewLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(world.scene)
        node = self.logic.AddViewNode("1")
        node.SetMappedInLayout(1)
        self.renderer.GradientBackgroundOn()
        self.renderer.SetBackground(0.76, 0.76, 0.91)
        self.renderer.SetBackground2(0.45, 0.47, 0.75)
        self._begin(slicer.vtkMRMLThreeDViewInteractorStyle(), node)

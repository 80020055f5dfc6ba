"""`import ctk`: stand-ins of the widgets of the Common Toolkit that the plugin uses."""

from __future__ import annotations

from tests.slicer_host import pythonqt

qt = pythonqt.install()
Signal, Property = qt.Signal, qt.Property
HEADER_PX = 24


@pythonqt.stand_in
class ctkCollapsibleButton(qt.QAbstractButton):
    """A header that hides what is below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._hidden: list[object] = []
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, HEADER_PX, 0, 0)
        self.setSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Preferred)
        self.connect("toggled(bool)", self._show)

    def _is_collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        """Hides or shows the content."""
        self.setChecked(not collapsed)

    collapsed = Property(bool, _is_collapsed, setCollapsed)

    def _show(self, shown: bool) -> None:
        children = [child for child in self.children() if child.isWidgetType()]
        if not shown:
            self._hidden = [child for child in children if child.isHidden()]
        for child in children:
            child.setVisible(shown and child not in self._hidden)
        self.maximumHeight = 16777215 if shown else HEADER_PX
        self.contentsCollapsed.emit(not shown)

    def showEvent(self, _event: object) -> None:
        """What came while it was collapsed stays hidden, until it is opened."""
        if not self.isChecked():
            for child in self.children():
                if child.isWidgetType():
                    child.setVisible(False)

    def paintEvent(self, _event: object) -> None:
        """An arrow and the title."""
        painter = qt.QPainter(self)
        painter.fillRect(0, 0, self.width, HEADER_PX - 4, self.palette.color(qt.QPalette.Mid))
        arrow = "▾" if self.isChecked() else "▸"
        painter.drawText(8, HEADER_PX - 9, f"{arrow} {self.text}")
        painter.end()

    def hitButton(self, position: object) -> bool:
        """Only the header is a button."""
        return position.y() < HEADER_PX

    def minimumSizeHint(self) -> object:
        """The header's, if there is no content."""
        held = self.layout()
        return held.minimumSize() if held else qt.QSize(80, HEADER_PX)

    def sizeHint(self) -> object:
        """Header and content."""
        held = self.layout()
        return held.sizeHint() if held and self.isChecked() else qt.QSize(80, HEADER_PX)


@pythonqt.stand_in
class ctkSliderWidget(qt.QWidget):
    """A slider and a spin box over one number."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._slider, self._box = qt.QSlider(qt.Qt.Horizontal), qt.QDoubleSpinBox()
        row.addWidget(self._slider, 1)
        row.addWidget(self._box)
        self._box.connect("valueChanged(double)", self._moved)
        self._slider.connect("valueChanged(int)", self._dragged)
        self._fit()

    def slider(self) -> object:
        """The inner slider."""
        return self._slider

    def spinBox(self) -> object:
        """The inner spin box."""
        return self._box

    def setValue(self, value: float) -> None:
        """Cut to the range."""
        self._box.setValue(value)

    def setMinimum(self, value: float) -> None:
        """Lower end."""
        self._box.setMinimum(value)
        self._fit()

    def setMaximum(self, value: float) -> None:
        """Upper end."""
        self._box.setMaximum(value)
        self._fit()

    def setRange(self, low: float, high: float) -> None:
        """Both ends."""
        self._box.setRange(low, high)
        self._fit()

    def setSingleStep(self, step: float) -> None:
        """Of the arrows and the slider."""
        self._box.setSingleStep(step)
        self._fit()

    def setDecimals(self, count: int) -> None:
        """After the point."""
        self._box.setDecimals(count)

    def setSuffix(self, text: str) -> None:
        """Unit."""
        self._box.setSuffix(text)

    value = Property(float, lambda self: self._box.value, setValue)
    minimum = Property(float, lambda self: self._box.minimum, setMinimum)
    maximum = Property(float, lambda self: self._box.maximum, setMaximum)
    singleStep = Property(float, lambda self: self._box.singleStep, setSingleStep)
    decimals = Property(int, lambda self: self._box.decimals, setDecimals)
    suffix = Property(str, lambda self: self._box.suffix, setSuffix)

    def _fit(self) -> None:
        steps = (self._box.maximum - self._box.minimum) / self._box.singleStep
        self._slider.setRange(0, round(steps))
        self._follow()
        self.rangeChanged.emit(self._box.minimum, self._box.maximum)

    def _follow(self) -> None:
        place = (self._box.value - self._box.minimum) / self._box.singleStep
        self._slider.blockSignals(True)
        self._slider.setValue(round(place))
        self._slider.blockSignals(False)

    def _moved(self, value: float) -> None:
        self._follow()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _dragged(self, place: int) -> None:
        self._box.setValue(self._box.minimum + place * self._box.singleStep)


@pythonqt.stand_in
class ctkPathLineEdit(qt.QWidget):
    """A path with a button beside it; the button opens nothing here."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit, self._label, self._key, self._names = qt.QLineEdit(), "", "", []
        row.addWidget(self._edit, 1)
        row.addWidget(qt.QToolButton())
        self._edit.connect("textChanged(QString)", self.currentPathChanged.emit)

    def setCurrentPath(self, path: str) -> None:
        """Shows another path."""
        self._edit.setText(path)

    def _set_label(self, text: str) -> None:
        self._label = text

    def _set_key(self, text: str) -> None:
        self._key = text

    def _set_names(self, names: list[str]) -> None:
        self._names = names

    def addCurrentPathToHistory(self) -> None:
        """The application remembers it for the next time."""

    currentPath = Property(str, lambda self: self._edit.text, setCurrentPath)
    label = Property(str, lambda self: self._label, _set_label)
    settingKey = Property(str, lambda self: self._key, _set_key)
    nameFilters = Property("QStringList", lambda self: self._names, _set_names)


@pythonqt.stand_in
class ctkComboBox(qt.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._text = ""

    def setDefaultText(self, text: str) -> None:
        """Shown while nothing is chosen."""
        self._text = text
        self.setPlaceholderText(text)

    defaultText = Property(str, lambda self: self._text, setDefaultText)


@pythonqt.stand_in
class ctkMessageBox(qt.QMessageBox):
    """A message that may be silenced."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._key = ""

    def _set_key(self, text: str) -> None:
        self._key = text

    dontShowAgainSettingsKey = Property(str, lambda self: self._key, _set_key)

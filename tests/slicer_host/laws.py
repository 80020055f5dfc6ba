"""What PythonQt does, one small statement each: the test host must do the same.

The same list runs in Slicer's Python console before a release, where each line that is not "as
told" is a difference between the host and the real thing:

    exec(open("/path/to/laws.py").read()); tell()
"""

import ctk
import numpy as np
import qt
import slicer

RAISES = "raises"
"""What kind of error differs: PythonQt has ValueError where PySide6 has TypeError."""


def button():
    return qt.QPushButton("Go")


def spin():
    made = qt.QSpinBox()
    made.setMaximum(1000)
    return made


def written(made, name, value):
    """What a property holds after writing."""
    setattr(made, name, value)
    return getattr(made, name)


def heard(made, signal, slot_of, act):
    """What a slot heard when something was done to a widget."""
    calls = []
    made.connect(signal, slot_of(calls))
    act(made)
    return calls


def silent(made, act):
    """What a slot heard after it was disconnected."""
    calls = []

    def slot():
        calls.append(1)

    made.connect("clicked()", slot)
    disconnected = made.disconnect("clicked()", slot)
    act(made)
    return disconnected, calls


def bare(made):
    """What two slots heard after all were disconnected."""
    calls = []
    made.connect("clicked()", lambda: calls.append(1))
    made.connect("clicked(bool)", lambda checked: calls.append(2))
    made.disconnect("clicked()")
    made.click()
    return calls


def family(ask):
    """What is true of a parent with a named child."""
    parent = qt.QWidget()
    child = qt.QLabel("inside", parent)
    child.setObjectName("inner")
    return ask(parent, child)


def with_dynamic_property():
    made = qt.QWidget()
    made.setProperty("SlicerParameterName", "model")
    return made


def combo():
    made = qt.QComboBox()
    made.addItems(["a", "b"])
    return made


def deleted():
    made = button()
    made.delete()
    return made


class Own(qt.QWidget):
    """A subclass in Python may carry attributes."""

    def __init__(self):
        qt.QWidget.__init__(self)
        self.mine = 3


def slider():
    made = ctk.ctkSliderWidget()
    made.maximum = 10
    return made


def chosen_node(set_scene):
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = ["vtkMRMLTextNode"]
    made.noneEnabled = True
    if set_scene:
        made.setMRMLScene(slicer.mrmlScene)
    return made.currentNode()


def append_any(calls):
    return lambda *values: calls.append(values)


def append_none(calls):
    return lambda: calls.append(())


def append_one(calls):
    return lambda value: calls.append((value,))


def bound(calls):
    return calls.append


LAWS = [
    # properties
    ("a property has no parentheses", lambda: button().text, "Go"),
    ("calling a property is an error", lambda: button().text(), RAISES),
    ("a setter stays a method", lambda: button().setText("a"), None),
    ("isX stays a method", lambda: button().isEnabled(), True),
    ("a bool property", lambda: button().enabled, True),
    ("an int property", lambda: combo().count, 2),
    ("a text property", lambda: combo().currentText, "a"),
    ("a method that is no property", lambda: combo().itemText(1), "b"),
    ("a redeclared property", lambda: written(qt.QVBoxLayout(), "spacing", 7), 7),
    ("size is a property", lambda: button().size.width() > 0, True),
    ("a size hint is a property", lambda: button().sizeHint.width() > 0, True),
    ("a misspelt property is an error", lambda: written(button(), "tooltip", "x"), RAISES),
    ("an unknown attribute is an error", lambda: button().colour, RAISES),
    ("a new attribute is an error", lambda: written(button(), "mine", 1), RAISES),
    ("overwriting a method is an error", lambda: written(button(), "click", print), RAISES),
    ("a read-only property is an error", lambda: written(combo(), "count", 3), RAISES),
    ("an own subclass holds attributes", lambda: Own().mine, 3),
    ("an own subclass is one of qt", lambda: isinstance(Own(), qt.QWidget), True),
    ("a dynamic property", lambda: with_dynamic_property().SlicerParameterName, "model"),
    ("a child by its name", lambda: family(lambda p, c: p.inner.text), "inside"),
    ("name is objectName", lambda: family(lambda p, c: c.name), "inner"),
    ("objectName", lambda: family(lambda p, c: c.objectName), "inner"),
    ("className", lambda: button().className(), "QPushButton"),
    ("inherits", lambda: button().inherits("QAbstractButton"), True),
    ("a deleted object", lambda: deleted().text, RAISES),
    # values
    ("a float in an int property is cut", lambda: written(spin(), "value", 5.7), 5),
    ("a numpy int", lambda: written(spin(), "value", np.int64(6)), 6),
    ("a numpy bool", lambda: written(button(), "enabled", np.bool_(False)), False),
    ("a numpy float", lambda: written(qt.QDoubleSpinBox(), "value", np.float32(1.5)), 1.5),
    ("an int in a float property", lambda: written(qt.QDoubleSpinBox(), "value", 2), 2.0),
    ("text in an int property", lambda: written(spin(), "value", "x"), RAISES),
    ("None in an int property", lambda: written(spin(), "value", None), RAISES),
    ("a one in a bool property", lambda: written(button(), "checkable", 1), True),
    ("an empty list in a bool property", lambda: written(button(), "enabled", []), False),
    ("text in a setter of numbers", lambda: spin().setValue("x"), RAISES),
    ("a setter without its value", lambda: button().setText(), RAISES),
    ("a value beyond the range", lambda: written(spin(), "value", 2000), 1000),
    ("an enumeration by its class", lambda: qt.Qt.Checked == qt.Qt.Checked, True),
    # constructors
    ("keywords in a constructor", lambda: qt.QPushButton(text="a"), RAISES),
    ("keywords in a constructor of no object", lambda: qt.QColor(r=1), RAISES),
    ("a parent", lambda: family(lambda p, c: c.parent() is p), True),
    # signals
    ("connect by text", lambda: button().connect("clicked()", print), True),
    ("connect with spaces", lambda: spin().connect("valueChanged( int )", print), True),
    ("connect to a receiver", lambda: button().connect("clicked()", button(), "click()"), True),
    ("an unknown signal", lambda: button().connect("clickedd()", print), False),
    ("a signal with other types", lambda: spin().connect("valueChanged(float)", print), False),
    (
        "extra arguments are dropped",
        lambda: heard(button(), "clicked(bool)", append_none, lambda b: b.click()),
        [()],
    ),
    (
        "as many as the slot takes",
        lambda: heard(spin(), "valueChanged(int)", append_one, lambda s: s.setValue(3)),
        [(3,)],
    ),
    (
        "what the text names is sent",
        lambda: heard(button(), "clicked()", append_any, lambda b: b.click()),
        [()],
    ),
    (
        "a function in C as slot",
        lambda: heard(spin(), "valueChanged(int)", bound, lambda s: s.setValue(4)),
        [4],
    ),
    (
        "index of a combo box",
        lambda: heard(
            combo(), "currentIndexChanged(int)", append_one, lambda c: c.setCurrentIndex(1)
        ),
        [(1,)],
    ),
    (
        "text of a combo box",
        lambda: heard(
            combo(), "currentTextChanged(QString)", append_one, lambda c: c.setCurrentIndex(1)
        ),
        [("b",)],
    ),
    (
        "toggling a check box",
        lambda: heard(qt.QCheckBox(), "toggled(bool)", append_one, lambda c: c.setChecked(True)),
        [(True,)],
    ),
    (
        "writing a property sends its signal",
        lambda: heard(spin(), "valueChanged(int)", append_one, lambda s: written(s, "value", 8)),
        [(8,)],
    ),
    ("disconnect", lambda: silent(button(), lambda b: b.click()), (True, [])),
    ("disconnect what is not connected", lambda: button().disconnect("clicked()", print), False),
    ("disconnect without a slot takes all of the name", lambda: bare(button()), []),
    # Slicer's and CTK's widgets
    ("a ctk property", lambda: written(slider(), "value", 4.5), 4.5),
    ("a ctk property takes numpy", lambda: written(slider(), "value", np.float64(2)), 2.0),
    ("text in a ctk property", lambda: written(slider(), "value", "x"), RAISES),
    ("a misspelt ctk property", lambda: written(slider(), "maximun", 3), RAISES),
    (
        "a ctk signal",
        lambda: heard(slider(), "valueChanged(double)", append_one, lambda s: s.setValue(2.5)),
        [(2.5,)],
    ),
    (
        "a signal with a node",
        lambda: slicer.qMRMLNodeComboBox().connect("currentNodeChanged(vtkMRMLNode*)", print),
        True,
    ),
    ("no scene, no node", lambda: chosen_node(False), None),
    ("none is chosen at first", lambda: chosen_node(True), None),
    ("a stand-in's class name", lambda: slider().className(), "ctkSliderWidget"),
]
"""Label, statement, and what comes out: a value, or RAISES."""


def outcome(statement):
    """What comes out of a statement."""
    try:
        return statement()
    except Exception:
        return RAISES


def tell():
    """Prints every law with what came out, for Slicer's console."""
    for label, statement, wanted in LAWS:
        found = outcome(statement)
        print("as told" if found == wanted else f"DIFFERENT {found!r}", "-", label)  # noqa: T201

"""A stand-in for 3D Slicer that runs scripted modules in a test, without the application.

Real are the scene, its logics, `slicer.util`, the views and the `.ui` files; stand-ins are the
application, the widgets of Slicer and CTK, and the way in which Python speaks to Qt.
"""

import os
import tempfile

# before Qt is loaded: no display, and settings that are not the user's
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.pop("DISPLAY", None)
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="verisim-host-")

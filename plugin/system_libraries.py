"""Says which libraries of the system are missing for the tests of the panels, and how to get them.

Qt links them even without a display; a wheel cannot bring them.
"""

from __future__ import annotations

import ctypes
import sys

PACKAGES = {
    "libEGL.so.1": "libegl1 libegl-mesa0",
    "libGL.so.1": "libgl1 libgl1-mesa-dri",
    "libX11.so.6": "libx11-6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1 fonts-dejavu-core",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
}
"""Library → packages of Debian and Ubuntu that bring it."""


def loads(library: str) -> bool:
    """Whether the system has it."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing(packages: dict[str, str]) -> str:
    """What to tell the user; empty when nothing is missing."""
    absent = [library for library in packages if not loads(library)]
    if not absent:
        return ""
    wanted = " ".join(packages[library] for library in absent)
    return (
        f"The tests of the 3D Slicer panels need {', '.join(absent)}. On Debian or Ubuntu:\n"
        f"  apt-get install {wanted}"
    )


if __name__ == "__main__":
    sys.exit(missing(PACKAGES) or 0)

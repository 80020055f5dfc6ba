"""A hippocampus of formulas: no image and no atlas is read.

Sizes, places and relative intensities are rounded to what is usual for the left temporal lobe of
an adult in a T1-weighted image. Coordinates are millimetres in the box (x to the right, y to the
front, z to the head); since the hippocampus is the left one, x grows towards the midline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

Field = npt.NDArray[np.float64]
Region = npt.NDArray[np.bool_]

SHAPE = (36, 50, 36)
"""Voxels of 1 mm along (X, Y, Z)."""

FINE = 3
"""Points along each edge of a voxel: their mean is the partial volume effect."""

ORIGIN_MM = (-42.0, -46.0, -28.0)
"""RAS place of the first voxel: the left hippocampus lies 27 mm beside the midline."""

CSF, GREY, WHITE, VESSEL = 70.0, 400.0, 680.0, 900.0
"""Intensities of cerebrospinal fluid, grey matter, white matter and an artery."""

SECTIONS = np.array(
    # y, x, z: centre; half width and half height; tilt in degrees, medial end up; bend per mm
    [
        (3.0, 19.0, 26.5, 2.0, 1.0, 42, 0.00),
        (6.0, 18.0, 26.5, 5.4, 2.7, 36, 0.00),
        (9.0, 16.0, 25.2, 6.6, 3.9, 25, 0.00),
        (14.0, 13.4, 20.5, 6.5, 3.8, 4, -0.01),
        (20.0, 12.0, 17.2, 6.8, 3.6, -4, -0.01),
        (26.0, 12.0, 14.8, 7.1, 3.9, -7, 0.00),
        (31.0, 14.2, 13.0, 8.8, 4.6, 2, 0.01),
        (36.0, 16.2, 11.2, 9.4, 4.8, 9, 0.02),
        (41.0, 18.6, 9.5, 8.2, 3.6, 17, 0.02),
        (44.5, 19.5, 8.6, 6.4, 2.6, 28, 0.01),
        (47.0, 20.0, 8.0, 2.0, 1.0, 30, 0.00),
    ]
)
"""Cross-sections of the hippocampus from the tail to the head."""

HEAD_FROM_MM = 27.5
"""The anterior label begins here, where the uncus ends."""


@dataclass(frozen=True)
class Phantom:
    """An image and its labels on the same voxels, (X, Y, Z) each."""

    image: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """Points of the box, and the same points seen from the hippocampus, (X, Y, Z) each.

    Args:
        across: mm from the axis along the width, towards the midline.
        above: mm from the axis along the height, towards the head.
        radius: 1 on the surface of the hippocampus.
    """

    x: Field
    y: Field
    z: Field
    across: Field
    above: Field
    radius: Field

    @property
    def angle(self) -> Field:
        """Degrees around the hippocampus: 0 medial, 90 superior, 180 lateral, 270 inferior."""
        angle: Field = np.degrees(np.arctan2(self.above, self.across)) % 360
        return angle


def make_phantom(seed: int = 0) -> Phantom:
    """Draw a phantom; the seed varies its shape a little, its texture and its noise."""
    generator = np.random.default_rng(seed)
    frame = draw_frame(generator)
    inside = frame.radius < 1
    fraction = to_voxels(inside.astype(np.float64))
    head = np.arange(SHAPE[1])[None, :, None] >= HEAD_FROM_MM
    labels = np.where(fraction >= 0.5, np.where(head, 1, 2), 0).astype(np.uint8)
    tissue = to_voxels(ndimage.gaussian_filter(draw_tissue(frame, inside), 0.4 * FINE))
    return Phantom(acquire(tissue, generator), labels)


def draw_frame(generator: np.random.Generator) -> Frame:
    """The coordinates of every fine point around a hippocampus of slightly random shape."""
    x, y, z = np.meshgrid(
        *((np.arange(n * FINE) + 0.5) / FINE - 0.5 for n in SHAPE), indexing="ij"
    )
    sections = SECTIONS + generator.normal(0, 1, SECTIONS.shape) * [0, 0.2, 0.2, 0.1, 0.1, 1, 0]
    along = np.clip(y[0, :, 0], SECTIONS[0, 0], SECTIONS[-1, 0])
    cx, cz, wide, high, tilt, bend = PchipInterpolator(SECTIONS[:, 0], sections[:, 1:])(along).T[
        :, None, :, None
    ]
    turn = np.radians(tilt)
    across = (x - cx) * np.cos(turn) + (z - cz) * np.sin(turn)
    above = (z - cz) * np.cos(turn) - (x - cx) * np.sin(turn)
    above = above - bend * (across**2 - wide**2 / 4)
    # the digitations: three shallow bumps on top of the head
    bumps = 0.08 * np.sin(2 * np.pi * across / 5.5) * np.clip((y - 28) / 6, 0, 1) * (above > 0)
    radius = np.hypot(across / wide, above / (high * (1 + bumps)))
    beyond = (y < SECTIONS[0, 0]) | (y > SECTIONS[-1, 0])
    return Frame(x, y, z, across, above, np.where(beyond, 9.0, radius))


def draw_tissue(frame: Frame, inside: Region) -> Field:
    """The intensity of every fine point without noise: painted from the back to the front."""
    distance = ndimage.distance_transform_edt(~inside) / FINE
    tissue = np.full(frame.x.shape, WHITE)
    paint_deep_grey(tissue, frame)
    paint_gyri(tissue, frame)
    paint_cistern(tissue, frame)
    paint_ventricle(tissue, frame, distance)
    paint_hippocampus(tissue, frame, inside, distance)
    return tissue


def paint_deep_grey(tissue: Field, frame: Frame) -> None:
    """Thalamus and midbrain, a little darker than white matter; putamen and amygdala, grey."""
    tissue[ball(frame, (34, 10, 34), (12, 16, 11)) < 1] = 0.88 * WHITE
    tissue[ball(frame, (33, 24, 16), (9, 12, 12)) < 1] = 0.93 * WHITE
    tissue[ball(frame, (5, 44, 35), (8, 18, 7)) < 1] = 1.25 * GREY
    tissue[ball(frame, (27, 50, 34), (11, 12, 9)) < 1] = 1.4 * GREY
    tissue[ball(frame, (18, 46, 17), (9.5, 13, 8)) < 1] = 1.15 * GREY


def paint_gyri(tissue: Field, frame: Frame) -> None:
    """Parahippocampal and fusiform gyrus: a core of white matter, cortex, and sulci between."""
    above, medial = section_centre(frame)
    parahippocampal = to_segment(medial, above, (-9.0, -7.0), (4.0, -7.5))
    fusiform = to_segment(medial, above, (-18.0, -9.0), (-7.0, -15.0))
    nearest = np.minimum(parahippocampal, fusiform)
    under = above < -6.0 - 0.25 * np.maximum(0, -medial - 6)
    lobe = (nearest > 1.2) & (under | ((medial > 3) & (above < 1))) & (medial < wall(frame))
    tissue[lobe] = 1.05 * GREY
    sulcus = (np.abs(parahippocampal - fusiform) < 0.8) & (nearest > 2.5) & under
    tissue[sulcus | (lobe & (nearest > 4.4))] = CSF
    below = (nearest > 5.6) & (above < -6)
    tissue[below] = 0.7 * GREY  # tentorium and the floor of the skull
    phase = 2.2 * frame.z + 0.8 * frame.x + 0.3 * frame.y + 1.5 * np.sin(frame.x / 4 + frame.y / 7)
    folia = below & (frame.y < 30) & (nearest > 6.2)
    tissue[folia] = (GREY + 150 * np.sin(phase))[folia]


def paint_cistern(tissue: Field, frame: Frame) -> None:
    """The fluid between the temporal lobe and the midbrain, with an artery in it."""
    above, medial = section_centre(frame)
    side = medial - wall(frame)
    wide = 1.1 + 0.4 * np.sin(frame.y / 3 + above / 4)
    band = (np.abs(side) < wide) & (above < 5.5) & (above > -16)
    roof = (np.abs(above - 5.2 - 0.1 * (medial - 6)) < 0.8) & (medial > 3) & (side < 0)
    tissue[band | (roof & (frame.y < 36))] = CSF
    artery = np.hypot(side - 0.3, above - 3.0 - np.sin(frame.y / 4))
    tissue[(artery < 0.8) & (frame.y > 14) & (frame.y < 38)] = VESSEL


def wall(frame: Frame) -> Field:
    """How far medial of the hippocampus the temporal lobe ends, mm."""
    above, _ = section_centre(frame)
    distance: Field = 12.0 + 0.004 * (frame.y - 24) ** 2 - 0.03 * (above + 3) ** 2
    return distance


def paint_ventricle(tissue: Field, frame: Frame, distance: Field) -> None:
    """The temporal horn: a crescent of fluid on the hippocampus, widest at both ends."""
    ends = np.interp(
        frame.y, [0, 5, 12, 20, 28, 36, 41, 45], [4.5, 3.5, 1.4, 0.9, 1.1, 1.4, 0.7, 0.0]
    )
    turned = np.cos(
        np.radians(frame.angle - np.interp(frame.y, [0, 12, 30, 40], [125, 150, 150, 120]))
    )
    tissue[distance < ends * np.clip(turned + 0.15, 0, 1)] = CSF


def paint_hippocampus(tissue: Field, frame: Frame, inside: Region, distance: Field) -> None:
    """The hippocampus itself, on a sheet of white matter, with the brighter layers within."""
    sheet = (distance < 1.5) & (frame.angle > 195) & (frame.angle < 345)
    tissue[sheet] = 1.05 * WHITE
    tissue[inside] = GREY
    layers = inside & (np.abs(frame.radius - 0.5) < 0.13) & (frame.above > -0.5)
    tissue[layers] = 1.2 * GREY


def section_centre(frame: Frame) -> tuple[Field, Field]:
    """mm above and medial of the axis of the hippocampus, along the axes of the box."""
    cx, cz = PchipInterpolator(SECTIONS[:, 0], SECTIONS[:, 1:3])(frame.y[0, :, 0]).T
    return frame.z - cz[None, :, None], frame.x - cx[None, :, None]


def ball(frame: Frame, centre: tuple[float, ...], radii: tuple[float, ...]) -> Field:
    """The radius in an ellipsoid: 1 on its surface."""
    parts = zip((frame.x, frame.y, frame.z), centre, radii, strict=True)
    radius: Field = np.sqrt(sum(((point - c) / r) ** 2 for point, c, r in parts))
    return radius


def to_segment(x: Field, z: Field, start: tuple[float, float], end: tuple[float, float]) -> Field:
    """The distance to a segment in the coronal plane, mm."""
    (ax, az), (bx, bz) = start, end
    length = (bx - ax) ** 2 + (bz - az) ** 2
    share = np.clip(((x - ax) * (bx - ax) + (z - az) * (bz - az)) / length, 0, 1)
    distance: Field = np.hypot(x - ax - share * (bx - ax), z - az - share * (bz - az))
    return distance


def to_voxels(fine: Field) -> Field:
    """The mean of the fine points in each voxel."""
    x, y, z = SHAPE
    voxels: Field = fine.reshape(x, FINE, y, FINE, z, FINE).mean(axis=(1, 3, 5))
    return voxels


def acquire(tissue: Field, generator: np.random.Generator) -> npt.NDArray[np.uint16]:
    """What a scanner adds: texture, a smooth bias field and Rician noise; whole numbers."""
    texture = ndimage.gaussian_filter(generator.normal(size=SHAPE), 1.2)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    bias = 1 + 0.06 * x - 0.05 * y + 0.04 * z - 0.04 * x * z
    signal = tissue * bias * (1 + 0.06 * texture / texture.std())
    noise = generator.normal(0, 34, (2, *SHAPE))
    return np.round(np.hypot(signal + noise[0], noise[1])).astype(np.uint16)

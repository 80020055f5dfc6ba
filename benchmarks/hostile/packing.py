"""Files that unpack to something else than they promise, and files that are something else."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from functools import cache

from hostile.damage import Random
from hostile.specimens import Specimen

BOMB_MB = 256
"""What the largest bomb unpacks to."""


@cache
def _zeros(megabytes: int) -> bytes:
    """That many megabytes of zeros, packed with gzip."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def nifti_packing(specimen: Specimen, random: Random) -> Specimen:
    """A .nii.gz that is packed wrongly, or unpacks to far more than its header says."""
    packed = specimen.content
    plain = gzip.decompress(packed)
    huge = struct.pack("<8h", 3, 400, 400, 400, 1, 1, 1, 1)  # float32: 256 MB of zeros
    member = gzip.compress(plain[:40] + huge + plain[56:352], 1, mtime=0)
    variants = (
        packed + _zeros(BOMB_MB),
        member + _zeros(BOMB_MB),
        _zeros(BOMB_MB),
        packed[:-8] + bytes(4) + packed[-4:],
        packed[:-4] + b"\xff" * 4,
        packed[:-8],
        packed + b"garbage behind the end",
        packed + packed,
        gzip.compress(packed, mtime=0),
        packed[:3] + b"\x1f" + packed[4:],
        packed[:3] + b"\x04" + packed[4:10] + b"\xff\xff" + packed[10:],
        plain,
        zlib.compress(plain),
        b"\x1f\x8b" + random.bytes(200),
        packed[:10] + b"\x00" * 5 + packed[10:],
    )
    return specimen.with_content(variants[random.integers(len(variants))])


def nrrd_packing(specimen: Specimen, random: Random) -> Specimen:
    """A NRRD whose voxels are packed wrongly, or unpack to far more than its header says."""
    head, _, packed = specimen.content.partition(b"\n\n")
    head += b"\n\n"
    large = _with_sizes(head, b"400 400 400")
    variants = (
        head + _zeros(BOMB_MB),
        head + packed + _zeros(BOMB_MB),
        large + _zeros(BOMB_MB),
        head + packed[:-8],
        head + packed[:-8] + bytes(8),
        head + packed + b"garbage",
        head + random.bytes(200),
        head + gzip.compress(packed, mtime=0),
        head + zlib.compress(b"x" * 1000),
        head,
        large + packed,
        head.replace(b"gzip", b"bzip2") + packed,
        head.replace(b"gzip", b"raw") + packed,
    )
    return specimen.with_content(variants[random.integers(len(variants))])


def something_else(specimen: Specimen, random: Random) -> Specimen:
    """Nothing, an archive, a pickle, a text, or a right file under a wrong name."""
    name, content = specimen.files[0]
    stem, _, suffix = name.partition(".")
    renamed = tuple(f"{stem}.{other}" for other in SUFFIXES if other != suffix)
    strangers = (
        (name, b""),
        (name, b"\0"),
        (name, _zip(content)),
        (name, pickle.dumps({"volume": [0] * 100})),
        (name, b"I am no image at all.\n" * 20),
        (name, b"\x89PNG\r\n\x1a\n" + bytes(100)),
        (name, b"\x7fELF" + bytes(400)),
        (name, b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"),
        ("", content),
        (".." + "/.." * 8 + "/etc/passwd", content),
        ("x" * 300 + ".nii.gz", content),
        ("nul\0.nii", content),
        *((other, content) for other in renamed),
    )
    return Specimen(specimen.format, (strangers[random.integers(len(strangers))],))


SUFFIXES = (
    "nii",
    "nii.gz",
    "nrrd",
    "nhdr",
    "seg.nrrd",
    "dcm",
    "npy",
    "zip",
    "exe",
    "tar.gz",
    "mha",
)


def _with_sizes(head: bytes, sizes: bytes) -> bytes:
    lines = head.split(b"\n")
    return b"\n".join(b"sizes: " + sizes if one.startswith(b"sizes:") else one for one in lines)


def _zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("volume.nii"), content)
    return stream.getvalue()

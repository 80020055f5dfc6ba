"""Small files that unpack to a gigabyte, and how much memory a process takes for them."""

from __future__ import annotations

import bz2
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, generate_uid

from verisim.errors import TooLarge, UnreadableFile, VerisimError

GIGABYTE = 1 << 30
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


def deflated(head: bytes, zeros: int) -> bytes:
    """Some bytes and then zeros, deflated in no time: one packed block is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begun = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begun + block * (zeros >> 20) + packer.flush()


def nifti_head(*shape: int, offset: float = 352) -> bytes:
    """The header of a NIfTI file of bytes, up to its voxels."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), 1)
    raw = bytearray(header.binaryblock + bytes(4))
    raw[108:112] = struct.pack("<f", offset)
    raw[344:348] = b"n+1\0"
    return bytes(raw)


def nrrd_head(encoding: str, *shape: int) -> bytes:
    """The header of a NRRD file of bytes."""
    sizes = " ".join(map(str, shape))
    return (
        f"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: {encoding}\n\n"
    ).encode()


def deflated_dicom() -> bytes:
    """A DICOM file whose deflated data set is a gigabyte of zeros."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    written = io.BytesIO()
    write_file_meta_info(written, meta)
    return bytes(128) + b"DICM" + written.getvalue() + deflated(b"", GIGABYTE)


HUGE = (1024, 1024, 1024)
BOMBS: dict[str, tuple[str, Callable[[], bytes], type[VerisimError]]] = {
    "nii.gz that says so": (
        "v.nii.gz",
        lambda: GZIP_HEAD + deflated(nifti_head(*HUGE), GIGABYTE),
        TooLarge,
    ),
    "nii.gz that hides it": (
        "v.nii.gz",
        lambda: GZIP_HEAD + deflated(nifti_head(4, 4, 4), GIGABYTE),
        UnreadableFile,
    ),
    "nii.gz with a huge header": (
        "v.nii.gz",
        lambda: GZIP_HEAD + deflated(nifti_head(4, 4, 4, offset=1e9), GIGABYTE),
        UnreadableFile,
    ),
    "nrrd that says so": (
        "v.nrrd",
        lambda: nrrd_head("gzip", *HUGE) + GZIP_HEAD + deflated(b"", GIGABYTE),
        TooLarge,
    ),
    "nrrd that hides it": (
        "v.nrrd",
        lambda: nrrd_head("gzip", 4, 4, 4) + GZIP_HEAD + deflated(b"", GIGABYTE),
        UnreadableFile,
    ),
    "nrrd in bzip2": (
        "v.nrrd",
        lambda: nrrd_head("bzip2", 4, 4, 4) + bz2.compress(bytes(10_000_000)) * 100,
        UnreadableFile,
    ),
    "deflated DICOM": ("v.dcm", deflated_dicom, TooLarge),
}


def peak_mb(process: int) -> float:
    """The most memory that a process had since `forget_peak`."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak(process: int) -> float:
    """Begin to measure anew; returns the memory of now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")
    return peak_mb(process)

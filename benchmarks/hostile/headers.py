"""Headers of NIfTI, NRRD and DICOM with values that nobody should send."""

from __future__ import annotations

import gzip
import struct

from hostile.damage import Random
from hostile.specimens import Specimen

WHOLE = (0, 1, -1, 2, 3, 7, 8, 15, 64, 127, 128, 255, 512, 1024, 2048, 32767, -32768)
NUMBERS = (
    *(0.0, -0.0, -1.0, 0.5, 1e-30, 1e-45, 1e9, 1e30, 3.4e38, 352.25, 353.0, 2.0**31, 2.0**33),
    *(float("nan"), float("inf"), float("-inf"), -352.0, 348.0, 347.0, 4e6),
)

NIFTI_FIELDS = (
    *(("<i", 0), ("<h", 70), ("<h", 72), ("<h", 252), ("<h", 254), ("<b", 123)),
    *(("<h", 40 + 2 * n) for n in range(8)),
    *(("<f", 76 + 4 * n) for n in range(8)),
    *(("<f", 108 + 4 * n) for n in range(3)),
    *(("<f", 256 + 4 * n) for n in range(18)),
    *(("<i", 344), ("<i", 348)),
)
"""Kind and place: sizes, types, spacings, offset, scale, both affines, the mark, extensions."""

NRRD_FIELDS = {
    "NRRD0004": ("NRRD0001", "NRRD0005", "NRRD0009", "NRRD9999", "NRRD", "NRRDABCD"),
    "type": ("block", "double", "float", "int64", "uchar", "unknown", "", "signed char", "V8"),
    "dimension": ("0", "-1", "1", "2", "4", "16", "999999999", "3.5", "nan", "9" * 5000),
    "sizes": (
        *("0 0 0", "-1 2 3", "1 1 1", "99999 99999 99999", "4294967296 4294967296 4294967296"),
        *("20 24", "20 24 18 7", "nan 1 1", "1e9 2 3", "2.5 2 2", "", "9" * 5000 + " 1 1"),
        *("-20 -24 18", "9223372036854775807 2 2", "2147483648 1 1"),
    ),
    "encoding": ("raw", "ascii", "text", "hex", "bzip2", "zrl", "gzip", "", "../gzip", "lzma"),
    "endian": ("big", "little", "middle", ""),
    "space": (
        *("foo", "", "scanner-xyz", "3D-left-handed", "left-posterior", "scanner-xyz-time"),
        *("right-anterior-superior", "LPS", "left-posterior-superior-time"),
    ),
    "space directions": (
        *("none none none", "(0,0,0) (0,0,0) (0,0,0)", "(nan,0,0) (0,1,0) (0,0,1)", "(1,0) (0,1)"),
        *("(1e400,0,0) (0,1,0) (0,0,1)", "(1,0,0)", "((((", "(1,0,0) (1,0,0) (0,0,1)", ""),
        *("(1e-300,0,0) (0,1,0) (0,0,1)", "(1e150,0,0) (0,1e150,0) (0,0,1e150)", "(1;0;0)"),
        *("(100,0,0) (0,100,0) (0,0,100)", "none (1,0,0) (0,1,0) (0,0,1)"),
    ),
    "space origin": (
        "(nan,0,0)",
        "(inf,0,0)",
        "()",
        "(1,2)",
        "(1e308,1e308,1e308)",
        "x",
        "(1,2,3",
    ),
    "kinds": (
        "domain",
        "vector domain domain",
        "RGB-color domain domain",
        "list list list",
        "???",
    ),
    "data file": (
        *("/etc/passwd", "../../../../etc/passwd", "LIST", "LIST 2", "%d 1 9 1", "/dev/zero", "."),
        *("file:///etc/passwd", "/proc/self/environ", "/dev/stdin", "file_0.nrrd", "", "a\\b"),
        *("http://localhost/x", "x" * 5000, "skip:1", "~/.bashrc"),
    ),
    "datafile": ("/etc/passwd", "LIST", "/dev/zero"),
    "byte skip": ("-1", "1", "99999999999", "x", "-99"),
    "line skip": ("-1", "1", "99999999999", "x"),
    "spacings": ("nan nan nan", "0 0 0", "-1 1 1", "1 2", "1e300 1 1", "x y z"),
    "thicknesses": ("nan 1 1", "1", "x"),
    "space units": ('"mm" "cm" "m"', '"lightyears" "mm" "mm"', "mm", '"'),
    "block size": ("8", "-1", "99999999999"),
    "axis mins": ("1 2", "nan nan nan", "x"),
    "measurement frame": ("(1,0) (0,1)", "x"),
    "number": ("-1", "99999999999999999999"),
    "Segment0_LabelValue": ("-1", "9" * 30, "9" * 5000, "x", "0", "65536", "٣", "4294967296"),
    "Segment0_Layer": ("-1", "7", "9" * 30, "x"),
    "Segment0_Name": ("", "\ud7ff", "x" * 100_000, "a\tb", "Ünïcode"),
    "Segment0_ID": ("", "Segment_0"),
    "Segment0_Color": ("9 9 9", "x y z", "nan nan nan"),
    "Segment0_Extent": ("0 9999999 0 1 0 1", "x"),
}
"""Fields with values that are impossible, extreme, or point at files of the server."""

SHAPES = 7
"""Ways to break the shape of a NRRD header itself."""

DICOM_FIELDS: dict[tuple[int, int], tuple[bytes, ...]] = {
    (0x0002, 0x0010): (
        *(
            b"1.2.840.10008.1.2",
            b"1.2.840.10008.1.2.1.99",
            b"1.2.840.10008.1.2.2",
            b"1.2.3.4",
            b"",
        ),
        *(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.90"),
        *(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.5", b"not a UID", b"1.2.840.10008.1.1"),
    ),
    (0x0002, 0x0000): (struct.pack("<I", 0), struct.pack("<I", 2**32 - 1), b"\x07"),
    (0x0008, 0x0005): (b"ISO_IR 999", b"\\\\\\", b"ISO 2022 IR 87"),
    (0x0008, 0x0016): (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.1.3.10", b"", b"x"),
    (0x0008, 0x0060): (b"SEG", b"SR", b"", b"XX\\YY"),
    (0x0018, 0x0050): (b"0", b"-1", b"nan", b"1e400", b"x", b""),
    (0x0018, 0x0088): (b"0", b"-5", b"1e300", b"x"),
    (0x0020, 0x000E): (b"", b"1.2.3", b"x" * 70),
    (0x0020, 0x0032): (
        b"",
        b"0\\0",
        b"nan\\0\\0",
        b"1e400\\0\\0",
        b"x\\y\\z",
        b"1e300\\1e300\\1e300",
    ),
    (0x0020, 0x0037): (
        b"0\\0\\0\\0\\0\\0",
        b"1\\0\\0\\1\\0\\0",
        b"1\\0\\0",
        b"x",
        b"nan\\0\\0\\0\\1\\0",
    ),
    (0x0028, 0x0002): tuple(struct.pack("<H", n) for n in (0, 2, 3, 65535)),
    (0x0028, 0x0004): (
        b"RGB",
        b"PALETTE COLOR",
        b"YBR_FULL_422",
        b"",
        b"MONOCHROME1",
        b"MONOCHROME9",
    ),
    (0x0028, 0x0008): (b"0", b"-1", b"1", b"2", b"99999999999", b"x", b"1.5"),
    (0x0028, 0x0010): tuple(struct.pack("<H", n) for n in (0, 1, 35, 65535)),
    (0x0028, 0x0011): (*(struct.pack("<H", n) for n in (0, 1, 35, 65535)), b"", b"\1\2\3"),
    (0x0028, 0x0030): (
        b"0\\0",
        b"-1\\1",
        b"nan\\nan",
        b"1",
        b"1e300\\1e300",
        b"x\\y",
        b"1e-300\\1",
    ),
    (0x0028, 0x0100): tuple(struct.pack("<H", n) for n in (0, 1, 7, 8, 12, 32, 64, 65535)),
    (0x0028, 0x0101): tuple(struct.pack("<H", n) for n in (0, 1, 17, 65535)),
    (0x0028, 0x0102): tuple(struct.pack("<H", n) for n in (0, 31, 65535)),
    (0x0028, 0x0103): tuple(struct.pack("<H", n) for n in (1, 2, 65535)),
    (0x0028, 0x1052): (b"nan", b"1e308", b"x", b"-1e400", b"inf"),
    (0x0028, 0x1053): (b"0", b"nan", b"1e308", b"x", b"-1", b"inf"),
    (0x0062, 0x0001): (b"FRACTIONAL", b"x", b""),
    (0x7FE0, 0x0010): (b"", b"\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\0" * 7),
}
"""Elements with impossible, extreme or missing values."""

LONG_VALUES = {b"OB", b"OW", b"OF", b"SQ", b"UN", b"UT"}
LENGTHS = (0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def nifti_header(specimen: Specimen, random: Random) -> Specimen:
    """One to three fields have extreme values."""
    packed = specimen.files[0][0].endswith(".gz")
    raw = bytearray(gzip.decompress(specimen.content) if packed else specimen.content)
    for _ in range(int(random.integers(1, 4))):
        kind, place = NIFTI_FIELDS[random.integers(len(NIFTI_FIELDS))]
        if kind == "<f":
            struct.pack_into(kind, raw, place, NUMBERS[random.integers(len(NUMBERS))])
        else:
            value = WHOLE[random.integers(len(WHOLE))]
            struct.pack_into(
                kind, raw, place, ((value + 128) % 256) - 128 if kind == "<b" else value
            )
    return specimen.with_content(gzip.compress(bytes(raw), 1, mtime=0) if packed else bytes(raw))


def nrrd_header(specimen: Specimen, random: Random) -> Specimen:
    """One to three fields have extreme values, or the header has no end, no lines, no sense."""
    head, _, voxels = specimen.content.partition(b"\n\n")
    lines = head.decode().split("\n")
    for _ in range(int(random.integers(1, 4))):
        names = tuple(NRRD_FIELDS)
        name = names[random.integers(len(names))]
        value = NRRD_FIELDS[name][random.integers(len(NRRD_FIELDS[name]))]
        lines = _with_field(lines, name, value)
    shapes = (
        "\n".join(lines).encode() + b"\n" + voxels,
        "\n".join(lines).encode(),
        "\n".join([*lines, "# " + "x" * 3_000_000]).encode() + b"\n\n" + voxels,
        "\n".join([*lines, *(f"key{n}:=value" for n in range(60_000))]).encode()
        + b"\n\n"
        + voxels,
        "\r\n".join(lines).encode() + b"\r\n\r\n" + voxels,
        "\n".join([*lines, *lines[1:]]).encode() + b"\n\n" + voxels,
        "\n".join([*lines, "no colon here", ":", ":=", "\0:\0"]).encode() + b"\n\n" + voxels,
    )
    whole = "\n".join(lines).encode() + b"\n\n" + voxels
    return specimen.with_content((*shapes, *[whole] * 3 * SHAPES)[random.integers(4 * SHAPES)])


def dicom_header(specimen: Specimen, random: Random) -> Specimen:
    """One to three elements of one file have extreme values or wrong lengths."""
    files = list(specimen.files)
    n = int(random.integers(len(files)))
    name, content = files[n]
    for _ in range(int(random.integers(1, 4))):
        tags = tuple(DICOM_FIELDS)
        tag = tags[random.integers(len(tags))]
        value = DICOM_FIELDS[tag][random.integers(len(DICOM_FIELDS[tag]))]
        wrong = LENGTHS[random.integers(len(LENGTHS))] if not random.integers(4) else None
        content = _with_element(content, tag, value, wrong)
    files[n] = (name, content)
    return Specimen(specimen.format, tuple(files))


def _with_field(lines: list[str], name: str, value: str) -> list[str]:
    """A NRRD header in which a field has a value."""
    if name.startswith("NRRD"):
        return [value, *lines[1:]]
    mark = ":=" if name.startswith("Segment") else ": "
    changed = [one for one in lines if not one.startswith((f"{name}:", f"{name}:="))]
    return [*changed, f"{name}{mark}{value}"]


def _with_element(content: bytes, tag: tuple[int, int], value: bytes, wrong: int | None) -> bytes:
    """A DICOM file (explicit, little endian) with another value of its first such element.

    Args:
        wrong: A length that is not the value's; None for the true one.
    """
    start = content.find(struct.pack("<HH", *tag), 128)
    if start < 0:
        return content
    kind = content[start + 4 : start + 6]
    length_at, form = (start + 8, "<I") if kind in LONG_VALUES else (start + 6, "<H")
    (length,) = struct.unpack_from(form, content, length_at)
    value_at = length_at + struct.calcsize(form)
    limit = 0xFFFFFFFF if form == "<I" else 0xFFFF
    told = struct.pack(form, min(len(value) if wrong is None else wrong, limit))
    return content[:length_at] + told + value + content[value_at + length :]

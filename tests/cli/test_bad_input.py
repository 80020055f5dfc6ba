"""What cannot be segmented gets a sentence of its own, exit code 2, and leaves nothing behind."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.cli.conftest import Command, Run, an_image, in_a_process, listing
from verisim import files

TINY = ("--model", "tiny", "--models")
DIM, DATATYPE, SROW_X = 40, 70, 280
"""Where a NIfTI header keeps shape, type and the first row of the affine."""


def save(path: Path, array: np.ndarray) -> None:
    """Write any array, also one that is no volume."""
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


def patched(path: Path, offset: int, form: str, *values: float) -> None:
    """Overwrite numbers of an unpacked NIfTI header and pack it again."""
    image = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(form, image, offset, *values)
    path.write_bytes(gzip.compress(bytes(image)))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("Dear colleague, please find the scan attached.")


def without_an_axis(path: Path) -> None:
    patched(path, DIM, "<4h", 3, 18, 0, 16)


def colours(path: Path) -> None:
    patched(path, DATATYPE, "<2h", 128, 24)


def singular(path: Path) -> None:
    patched(path, SROW_X, "<12f", *(1, 0, 0, 0), *(1, 0, 0, 0), *(0, 0, 1, 0))


def sheared(path: Path) -> None:
    patched(path, SROW_X, "<12f", *(1, 0.5, 0, 0), *(0, 1, 0, 0), *(0, 0, 1, 0))


def time_series(path: Path) -> None:
    save(path, np.zeros((6, 5, 4, 3), np.float32))


def not_a_number(path: Path) -> None:
    save(path, np.full((6, 5, 4), np.nan, np.float32))


def one_infinite(path: Path) -> None:
    array = np.zeros((6, 5, 4), np.float32)
    array[3, 2, 1] = np.inf
    save(path, array)


BAD: list[tuple[Callable[[Path], None], str, str]] = [
    (truncated, "unreadable_file", "truncated"),
    (empty, "unreadable_file", "is empty"),
    (text, "unreadable_file", "not gzip-compressed"),
    (without_an_axis, "unsupported_volume", "an axis has no voxels"),
    (not_a_number, "unsupported_volume", "120 of 120 voxels are NaN or infinite"),
    (one_infinite, "unsupported_volume", "1 of 120 voxels are NaN or infinite"),
    (time_series, "unsupported_volume", "a series of volumes"),
    (colours, "unsupported_volume", "colours"),
    (singular, "bad_geometry", "singular"),
    (sheared, "bad_geometry", "sheared"),
]


@pytest.mark.parametrize(("spoil", "code", "said"), BAD, ids=lambda x: getattr(x, "__name__", x))
def test_a_bad_volume_is_refused_in_words_and_in_json(
    verisim: Command,
    models: Path,
    a_case: Path,
    output: Path,
    spoil: Callable[[Path], None],
    code: str,
    said: str,
) -> None:
    spoil(a_case)
    answer = output / "label.nii.gz"
    answer.write_bytes(b"older")
    command = ("segment", a_case, "-o", answer, *TINY, models, "--picture", output / "p.png")
    in_words, in_json = verisim(*command), verisim(*command, "--json")
    refused(in_json, code, said)
    assert in_words.code == 2
    assert in_words.out == ""
    assert f"error {code}" in in_words.err
    assert said in in_words.err
    assert listing(output) == {"label.nii.gz": b"older"}


def refused(run: Run, code: str, said: str) -> None:
    """Exit code 2 and one JSON object with code, message and a remedy."""
    assert run.code == 2
    error = run.facts["error"]
    assert run.facts.keys() == {"error"}
    assert error.keys() == {"code", "message", "remedy"}
    assert error["code"] == code
    assert said in error["message"]
    assert error["remedy"]


def test_a_refusal_is_alone_on_standard_output_of_the_program(
    models: Path, a_case: Path, output: Path
) -> None:
    truncated(a_case)
    run = in_a_process("segment", a_case, "-o", output / "x.nii.gz", *TINY, models, "--json")
    refused(run, "unreadable_file", "truncated")
    assert run.out.count("\n") == 1
    assert "truncated" in run.err
    assert listing(output) == {}


def test_every_kind_of_bad_volume_has_a_message_of_its_own(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    good, messages = a_case.read_bytes(), []
    for spoil, _, _ in BAD:
        a_case.write_bytes(good)
        spoil(a_case)
        run = verisim("segment", a_case, "-o", output / "x.nrrd", *TINY, models, "--json")
        messages.append(run.facts["error"]["message"])
    assert len(set(messages)) == len(BAD)


def test_files_that_are_not_the_channels_of_the_model_are_refused(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    command = ("segment", a_case, a_case, "-o", output / "x.nii.gz", *TINY, models, "--json")
    refused(verisim(*command), "wrong_channels", "2 files are the channels of one case")


def test_a_volume_with_a_channel_too_few_is_refused(
    verisim: Command, a_case: Path, tmp_path: Path, output: Path, two_channels: Path
) -> None:
    command = ("--model", "two", "--models", two_channels, "--json")
    run = verisim("segment", a_case, "-o", output / "x.nii.gz", *command)
    refused(run, "wrong_channels", "wants 2: T1, T2")
    assert listing(output) == {}


def test_an_unknown_model_names_those_that_exist(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    command = ("--model", "liver-ct", "--models", models, "--json")
    run = verisim("segment", a_case, "-o", output / "x.nii.gz", *command)
    refused(run, "not_found", "'liver-ct'")
    assert "tiny" in run.facts["error"]["remedy"]


def test_a_missing_input_is_named(verisim: Command, models: Path, output: Path) -> None:
    command = ("segment", "nowhere.nii.gz", "-o", output / "x.nii.gz", *TINY, models, "--json")
    refused(verisim(*command), "not_found", "nowhere.nii.gz")


def test_an_empty_folder_is_named(
    verisim: Command, models: Path, output: Path, tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    command = ("segment", tmp_path / "nothing", "-o", output / "x.nii.gz", *TINY, models)
    refused(verisim(*command, "--json"), "unreadable_file", "nothing holds no DICOM image")


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("label.jpg", "bad_input", "no known format"),
        ("label.dcm", "bad_input", "would be a DICOM SEG"),
        ("/proc/label.nii.gz", "storage_failed", "/proc"),
        ("a-file/label.nii.gz", "storage_failed", "a file, not a folder"),
        ("../images/case_1.nii.gz", "bad_input", "would replace an input"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(
    verisim: Command,
    models: Path,
    a_case: Path,
    output: Path,
    place: str,
    code: str,
    said: str,
) -> None:
    (output / "a-file").write_bytes(b"")
    before = listing(output.parent)
    run = verisim("segment", a_case, "-o", output / place, *TINY, models, "--json")
    refused(run, code, said)
    assert listing(output.parent) == before


def test_a_folder_of_cases_is_never_segmented_onto_itself(
    verisim: Command, models: Path, a_case: Path
) -> None:
    before = listing(a_case.parent)
    run = verisim("segment", a_case.parent, "-o", a_case.parent, *TINY, models, "--json")
    refused(run, "bad_input", "would replace an input")
    assert listing(a_case.parent) == before


def test_two_files_of_one_name_are_not_written_over_each_other(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    files.write(a_case.with_name("case_1.nrrd"), an_image(1))
    run = verisim("segment", a_case.parent, "-o", output, *TINY, models, "--json")
    refused(run, "bad_input", "are both the case case_1")
    assert listing(output) == {}


def test_several_cases_do_not_go_into_one_file(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    run = verisim("segment", a_case.parent, "-o", output / "x.nii.gz", *TINY, models, "--json")
    refused(run, "bad_input", "is the name of a file")


def test_a_device_that_this_machine_lacks_is_named(
    verisim: Command, models: Path, a_case: Path, output: Path
) -> None:
    command = ("segment", a_case, "-o", output / "x.nrrd", *TINY, models, "--json", "--device")
    refused(verisim(*command, "cuda:99"), "unavailable", "cuda:99")
    refused(verisim(*command, "abacus"), "bad_input", "abacus")


@pytest.mark.parametrize(
    "arguments",
    [
        ("segment",),
        ("segment", "x.nii.gz"),
        ("no-such-command",),
        ("evaluate", "tiny", ".", "--no-such-option"),
        ("train", ".", "--iterations", "many"),
        ("serve",),
    ],
)
def test_a_wrong_command_is_refused_in_json_too(
    verisim: Command, arguments: tuple[str, ...]
) -> None:
    refused(verisim(*arguments, "--json"), "usage", "")


def test_a_broken_card_is_named(verisim: Command, models: Path, tmp_path: Path) -> None:
    (models / "broken-v1.toml").write_text("name = 3")
    refused(verisim("models", "--models", models, "--json"), "bad_card", "broken-v1.toml")

"""A checkpoint that wants to run something is refused by name, and nothing runs."""

from __future__ import annotations

import builtins
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.exchange.folders import Folder
from verisim.errors import UnreadableFile, UnsafeCheckpoint, UnsupportedModel
from verisim.exchange.checkpoint import read_checkpoint


class Evil:
    """Calls a function of any module when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A file that exists once something has run."""
    return tmp_path / "has-run"


@pytest.fixture
def touch(trace: Path) -> Evil:
    """Makes the trace by the shell."""
    return Evil(os.system, f"touch {trace}")


def in_weights(touch: Evil, path: Path) -> None:
    """As one of the tensors."""
    content = Folder().checkpoint(0)
    content["network_weights"]["encoder.stages.0.0.convs.0.conv.weight"] = touch
    torch.save(content, path)


def in_arguments(touch: Evil, path: Path) -> None:
    """Far from the tensors."""
    content = Folder().checkpoint(0)
    content["init_args"]["plans"]["dataset_name"] = touch
    torch.save(content, path)


def in_key(touch: Evil, path: Path) -> None:
    """Beside what is looked at."""
    torch.save({"more": [(touch,)], **Folder().checkpoint(0)}, path)


def in_old_format(touch: Evil, path: Path) -> None:
    """In the format of torch before 1.6."""
    torch.save({"network_weights": touch}, path, _use_new_zipfile_serialization=False)


def as_plain_pickle(touch: Evil, path: Path) -> None:
    """A pickle of Python's own."""
    path.write_bytes(pickle.dumps(touch))


def as_newest_pickle(touch: Evil, path: Path) -> None:
    """A pickle with instructions that torch never writes."""
    path.write_bytes(pickle.dumps({"network_weights": touch}, protocol=5))


def nested_in_zip(touch: Evil, path: Path) -> None:
    """A sound checkpoint whose pickle was exchanged."""
    sound = path.with_name("sound.pth")
    torch.save(Folder().checkpoint(0), sound)
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            evil = name.endswith("/data.pkl")
            new.writestr(name, pickle.dumps(touch, protocol=2) if evil else old.read(name))


def in_tar(touch: Evil, path: Path) -> None:
    """In the oldest format of all."""
    inside = path.with_name("pickle")
    inside.write_bytes(pickle.dumps(touch))
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.add(inside, name)


HIDDEN = [
    in_weights,
    in_arguments,
    in_key,
    in_old_format,
    as_plain_pickle,
    as_newest_pickle,
    nested_in_zip,
    in_tar,
]


@pytest.mark.parametrize("hide", HIDDEN, ids=lambda hide: hide.__name__)
def test_a_hidden_command_is_refused_and_does_not_run(
    hide: Callable[[Evil, Path], None], touch: Evil, trace: Path, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint_final.pth"
    hide(touch, path)
    with pytest.raises(UnsafeCheckpoint, match="nothing of it has run") as refused:
        read_checkpoint(path)
    assert not trace.exists()
    assert ("a program" if hide is in_tar else "posix.system") in refused.value.message


def test_the_hidden_commands_would_run_elsewhere(touch: Evil, trace: Path, tmp_path: Path) -> None:
    in_arguments(touch, tmp_path / "checkpoint.pth")
    torch.load(tmp_path / "checkpoint.pth", weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (builtins.eval, ("open('has-run', 'w')",)),
        (builtins.getattr, (os, "system")),
        (np.load, ("has-run", None, True)),
        (np.array, ([1.0],)),
        (Path, ("has-run",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_number_is_refused_by_its_name(
    function: Callable[..., object], arguments: tuple[object, ...], tmp_path: Path
) -> None:
    if arguments[0] is os:
        arguments = ("os", "system")
    path = tmp_path / "checkpoint_final.pth"
    torch.save(Folder().checkpoint(0) | {"_best_ema": Evil(function, *arguments)}, path)
    with pytest.raises(UnsafeCheckpoint, match=getattr(function, "__name__", "?")):
        read_checkpoint(path)


def test_a_program_of_torchs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_final.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/constants.pkl", pickle.dumps((), protocol=2))
        archive.writestr("archive/version", "3\n")
    with pytest.raises(UnsafeCheckpoint):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(share: float, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_final.pth"
    torch.save(Folder().checkpoint(0), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UnreadableFile, match="truncated or no checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x01" * 999, b"\x89PNG\r\n\x1a\n\x00"])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_final.pth"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="truncated or no checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"state_dict": {}},
        {"network_weights": {"a": 3}},
        {"network_weights": torch.zeros(3)},
    ],
    ids=["list", "others", "numbers", "tensor"],
)
def test_a_checkpoint_of_another_program_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_final.pth"
    torch.save(content, path)
    with pytest.raises(UnsupportedModel, match="no checkpoint of nnU-Net"):
        read_checkpoint(path)


def test_numbers_of_numpys_new_and_old_names_are_read(tmp_path: Path) -> None:
    path, renamed = tmp_path / "checkpoint.pth", tmp_path / "renamed.pth"
    torch.save(Folder().checkpoint(0), path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(renamed, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith("/data.pkl"):
                assert b"cnumpy.core.multiarray\n" in text or b"cnumpy._core.multiarray\n" in text
                text = text.replace(b"cnumpy.core.", b"cnumpy._core.")
            new.writestr(name, text)
    one, other = read_checkpoint(path), read_checkpoint(renamed)
    assert one.weights.keys() == other.weights.keys()
    assert one.epochs == other.epochs == 4


def test_the_words_of_parallel_and_compiled_trainings_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    content = Folder().checkpoint(0)
    named = {f"module.{name}": tensor for name, tensor in content["network_weights"].items()}
    torch.save(content | {"network_weights": named}, path)
    assert read_checkpoint(path).weights.keys() == content["network_weights"].keys()

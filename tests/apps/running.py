"""A MONAI Label server in its own process, as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import requests
import torch

from verisim import files
from verisim.card import ModelCard, write_model
from verisim.diffusion import Generation, Sampling
from verisim.networks.case_diffusion import CaseDiffusion, CaseGenerator
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.preprocessing import Preprocessing
from verisim.serving import free_port, prepare_app
from verisim.volume import Volume

START_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running server and its folders.

    Args:
        url: Where it listens, without a slash at the end.
        studies: Its datastore.
        models: The folder given with `--conf models`; holds the models "tiny" and
            "tiny-pair", which wants two channels.
        app: Its own copy of the app.
        temporary: The folder in which it makes its temporary files.
        sessions: The folder of its session API.
        process: The server's process.
        log: What it printed.
    """

    url: str
    studies: Path
    models: Path
    app: Path
    temporary: Path
    sessions: Path
    process: subprocess.Popen[bytes]
    log: Path


def a_tiny_card(name: str = "tiny", channels: tuple[str, ...] = ("MR",)) -> ModelCard:
    """A U-Net of two stages."""
    return ModelCard(
        name=name,
        description="Untrained, for tests.",
        channels=channels,
        labels={"anterior": 1, "posterior": 2},
        colors={"anterior": (0.9, 0.3, 0.2), "posterior": (0.2, 0.5, 0.9)},
        preprocessing=Preprocessing(),
        patch_size=(16, 16, 16),
        network=UNet((4, 8), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)), 1),
        keep_largest=("anterior",),
    )


def a_diffusion_card(name: str = "diffusion") -> ModelCard:
    """A MedSegDiff of two stages."""
    plan = MedSegDiff((4, 8), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)))
    return replace(a_tiny_card(name), network=plan, sampling=Sampling(samples=3, steps=2))


def a_generator_card(name: str = "maker") -> ModelCard:
    """A diffusion model of cases, of three stages."""
    strides = ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    return replace(
        a_tiny_card(name),
        kind="synthesis",
        network=CaseDiffusion((4, 8, 8), strides, ((3, 3, 3),) * 3),
        generation=Generation(steps=3, label_steps=2),
        keep_largest=(),
    )


def untrained(card: ModelCard, folder: Path, seed: int = 0) -> ModelCard:
    """Write a model whose weights are those of a seed; an ensemble has none."""
    torch.manual_seed(seed)
    network = card.build()
    if isinstance(network, CaseGenerator):
        network.remember([(12, 14, 10), (13, 15, 11), (12, 15, 12), (14, 14, 10)])
    return write_model(card, {} if card.ensemble else weights_of(network), folder)


def a_tiny_model(
    folder: Path, name: str = "tiny", channels: tuple[str, ...] = ("MR",)
) -> ModelCard:
    """An untrained U-Net of two stages, the same at every call."""
    return untrained(a_tiny_card(name, channels), folder)


def an_image(seed: int, shape: tuple[int, int, int] = (20, 24, 18)) -> Volume:
    """Noise on an anisotropic, turned grid away from the origin."""
    array = np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)
    c, s = np.cos(0.3), np.sin(0.3)
    affine = np.array(
        [[-1.0 * c, 1.2 * s, 0, 30], [1.0 * s, 1.2 * c, 0, -12], [0, 0, 1.5, 7], [0, 0, 0, 1]]
    )
    return Volume(array, affine)


@contextmanager
def running(
    folder: Path,
    conf: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    pacs: str = "",
) -> Iterator[Server]:
    """Start the server in an empty folder, wait until it answers, and end it afterwards.

    Args:
        conf: Further `--conf` pairs.
        env: Further environment variables.
        pacs: Address of a PACS to serve instead of the folder of studies.
    """
    server = _start(folder, dict(conf or {}), dict(env or {}), pacs)
    try:
        _wait(server)
        yield server
    finally:
        _end(server.process)


@contextmanager
def running_again(server: Server, conf: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The server on the same folders and port as one that has ended.

    Args:
        server: The one that has ended.
        conf: Further `--conf` pairs.
    """
    command = [str(word) for word in server.process.args]  # type: ignore[union-attr]
    for name, value in dict(conf or {}).items():
        command += ["--conf", name, value]
    environment = _environment(server.temporary, server.sessions)
    again = replace(server, process=_process(command, environment, server.log, "ab"))
    try:
        _wait(again)
        yield again
    finally:
        _end(again.process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # a test has ended it
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _process(
    command: list[str], environment: Mapping[str, str], log: Path, mode: str = "wb"
) -> subprocess.Popen[bytes]:
    with log.open(mode) as output:
        return subprocess.Popen(
            command,
            env=dict(environment),
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _start(folder: Path, conf: Mapping[str, str], env: Mapping[str, str], pacs: str) -> Server:
    app = prepare_app(folder / "app")
    studies, models, temporary, sessions = (
        folder / name for name in ("studies", "models", "temporary", "sessions")
    )
    for made in (studies, models, temporary, sessions):
        made.mkdir()
    a_tiny_model(models)
    a_tiny_model(models, "tiny-pair", ("T1", "T2"))
    for n in (1, 2):
        files.write(studies / f"case_{n}.nii.gz", an_image(n))
    port, log = free_port(), folder / "server.log"
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app)]
    command += ["--studies", pacs or str(studies), "--host", "127.0.0.1", "--port", str(port)]
    for name, value in {"models": str(models), **conf}.items():
        command += ["--conf", name, value]
    process = _process(command, _environment(temporary, sessions) | dict(env), log)
    url = f"http://127.0.0.1:{port}"
    return Server(url, studies, models, app, temporary, sessions, process, log)


def _environment(temporary: Path, sessions: Path) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("MONAI_")}
    return mine | {
        "TMPDIR": str(temporary),
        "MONAI_LABEL_SESSION_PATH": str(sessions),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            requests.get(f"{server.url}/info/", timeout=5)
            return  # any answer will do: with authentication on it is a refusal
        except requests.ConnectionError:
            time.sleep(0.2)  # still importing
    raise RuntimeError(f"The server did not start:\n{server.log.read_text()[-4000:]}")

"""`verisim serve`: the MONAI Label server with the Verisim app."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import psutil
import typer

from verisim.cli.options import USER_MODELS, AsJson, Models
from verisim.cli.terminal import Terminal
from verisim.errors import NotFound, Unavailable

APP = Path(__file__).parents[3] / "apps" / "verisim"
"""The app in a checkout; a wheel carries it inside the package."""

PACKAGED_APP = Path(__file__).parents[1] / "app"

WORKSPACE = Path(typer.get_app_dir("verisim")) / "server"
"""MONAI Label writes logs and programs into the app's folder, so it is given a copy."""


def serve(
    studies: Annotated[
        str, typer.Option(help="Folder of images to serve, or the URL of a DICOMweb server.")
    ],
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    models: Models = USER_MODELS,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Larger uploads are refused.")] = 2048,
    workspace: Annotated[Path, typer.Option(help="Folder for logs.")] = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Start the server that 3D Slicer, OHIF and other MONAI Label clients talk to."""
    terminal = Terminal(as_json)
    if importlib.util.find_spec("monailabel") is None:
        raise Unavailable(
            "The server needs MONAI Label, which is not installed.",
            'Run: pip install "verisim[label]" -c constraints.txt',
        )
    if "://" not in studies and not Path(studies).is_dir():
        raise NotFound(f"There is no folder {studies}.", "Make it, or name another.")
    app = prepare_app(workspace)
    address = f"http://{host}:{port}"
    terminal.answer({"url": address, "studies": studies}, f"Serving {studies} at {address}")
    sys.stdout.flush()
    raise typer.Exit(_run(app, studies, host, port, models, max_upload_mb, as_json))


def prepare_app(workspace: Path) -> Path:
    """Copy the app into a folder that MONAI Label may write to."""
    source = APP if APP.is_dir() else PACKAGED_APP
    shutil.copytree(
        source,
        workspace,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", "model", "logs", "bin"),
    )
    return workspace


def _run(
    app: Path, studies: str, host: str, port: int, models: Path, limit: int, quiet: bool
) -> int:
    command = [sys.executable, "-m", "monailabel.main", "start_server"]
    command += ["--app", str(app), "--studies", studies, "--host", host, "--port", str(port)]
    command += ["--conf", "models", str(models), "--conf", "max_upload_mb", str(limit)]
    # jobs of the server start programs by name, so this environment's come first
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    server = subprocess.Popen(
        command, env=os.environ | {"PATH": path}, stdout=sys.stderr if quiet else None
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops like Ctrl-C
    try:
        return server.wait()
    except KeyboardInterrupt:
        _stop(server.pid)
        return 0


def _stop(process: int) -> None:
    """End the server and the trainings it started, so that nothing is left running."""
    family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    for member in family:
        member.terminate()
    _, stubborn = psutil.wait_procs(family, timeout=10)
    for member in stubborn:
        member.kill()

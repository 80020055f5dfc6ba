"""`verisim serve`: the MONAI Label server with the Verisim app."""

from __future__ import annotations

import errno
import importlib.util
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from verisim.cli.options import USER_MODELS, AsJson, Models
from verisim.cli.terminal import Terminal
from verisim.errors import BadInput, Conflict, NotFound, StorageFailed, Unavailable
from verisim.keys import ENVIRONMENT, all_keys
from verisim.serving import Service, prepare_app, stop

WORKSPACE = Path(typer.get_app_dir("verisim")) / "server"
"""MONAI Label writes logs and programs into the app's folder, so it is given a copy."""

LISTEN = "Use --host 127.0.0.1 for this machine alone, 0.0.0.0 to let others in, a port over 1023."


TRUE = {"1", "true", "t", "yes", "y", "on"}
"""What MONAI Label's settings take for yes."""


class LogFormat(StrEnum):
    """How the server's log is written."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def serve(
    studies: Annotated[
        str, typer.Option(help="Folder of images to serve, or the URL of a DICOMweb server.")
    ],
    host: Annotated[
        str, typer.Option(help="0.0.0.0 lets other machines in; asks for --keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    models: Models = USER_MODELS,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Larger uploads are refused.")] = 2048,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A web page elsewhere, such as OHIF's, that may talk to the server."),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File of keys, see `verisim key`; without, no others.")
    ] = None,
    drain_seconds: Annotated[
        int, typer.Option(min=1, help="When stopped, running requests may take this long.")
    ] = 20,
    log_format: Annotated[
        LogFormat, typer.Option(help="Of the log; auto: text on a terminal, JSON elsewhere.")
    ] = LogFormat.AUTO,
    conf: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A further setting, e.g. pacs_modalities=MR."),
    ] = None,
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
    _check_port(host, port)
    _check_doors(host, keys)
    app = _prepared(workspace)
    service = Service(
        _place(studies),
        app,
        models.absolute(),
        host=host,
        port=port,
        max_upload_mb=max_upload_mb,
        origins=tuple(origin or ()),
        log_format=log_format,
        drain_seconds=drain_seconds,
        keys=keys and keys.absolute(),
        further=_settings(conf or ()),
    )
    terminal.answer(
        {"url": service.url, "studies": studies}, f"Serving {studies} at {service.url}"
    )
    sys.stdout.flush()
    raise typer.Exit(_run(service))


def _settings(conf: Iterable[str]) -> tuple[tuple[str, str], ...]:
    pairs = [word.partition("=") for word in conf]
    unclear = [name for name, sign, _ in pairs if not (name and sign)]
    if unclear:
        raise BadInput(f"--conf {unclear[0]} has no value.", "Give NAME=VALUE.")
    return tuple((name, value) for name, _, value in pairs)


def _place(studies: str) -> str:
    """The folder from wherever the server looks, or the URL as it is."""
    if "://" in studies:
        return studies
    if not Path(studies).is_dir():
        raise NotFound(f"There is no folder {studies}.", "Make it, or name another.")
    return str(Path(studies).absolute())


def _check_port(host: str, port: int) -> None:
    """Listen for a moment: MONAI Label loads for seconds before it would find out.

    Raises:
        Conflict: Another program listens there.
        BadInput: This machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except socket.gaierror as error:
        raise BadInput(f"The host {host} is not known: {error.strerror}.", LISTEN) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"Another program listens on port {port} of {host}.",
                "Stop it, or choose another with --port.",
            ) from error
        raise BadInput(f"{host}:{port} cannot be used: {error.strerror}.", LISTEN) from error


def _check_doors(host: str, keys: Path | None) -> None:
    """Ask for keys, or MONAI Label's own authentication, where other machines can come in.

    Raises:
        BadInput: Neither, both, or keys that cannot be read.
    """
    found = all_keys(keys, os.environ.get(ENVIRONMENT, ""))
    stock = os.environ.get("MONAI_LABEL_AUTH_ENABLE", "").lower() in TRUE
    if found and stock:
        raise BadInput(
            "There are keys, and MONAI_LABEL_AUTH_ENABLE is set.",
            "Choose one: keys, or MONAI Label's own authentication.",
        )
    if not found and not stock and not _is_loopback(host):
        raise BadInput(
            f"--host {host} lets other machines in, and there are no keys.",
            "Make one with `verisim key NAME --role admin --keys keys.txt` and add "
            "--keys keys.txt; or use --host 127.0.0.1 for this machine alone.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _prepared(workspace: Path) -> Path:
    try:
        return prepare_app(workspace)
    except OSError as error:
        raise StorageFailed(
            f"The app cannot be copied to {workspace}: {error}.", "Choose another --workspace."
        ) from error


def _run(service: Service) -> int:
    """The server's exit code; 0 when a person stopped it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops like Ctrl-C
    server = service.start(sys.stderr.buffer)  # standard output belongs to the answer
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        stop(server.pid, service.drain_seconds)

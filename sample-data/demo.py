"""Start the server, segment the phantom over HTTP with the stock client, and draw the result."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monailabel.client import MONAILabelClient

from verisim.card import SHIPPED_MODELS, find_card
from verisim.files import read, read_label_map, write
from verisim.metrics import compare
from verisim.overlay import draw

SAMPLES = Path(__file__).parent
MODEL = "hippocampus-unet"
CASE = "phantom_001"
START_SECONDS = 120


def main() -> None:
    """The whole walk, from a file to a picture."""
    output = Path.cwd() / "demo"
    output.mkdir(exist_ok=True)
    card = find_card(MODEL, SHIPPED_MODELS)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
        print(f"server ready at {url}")
        asked = time.perf_counter()
        answer, params = MONAILabelClient(url, tmpdir=folder).infer(
            MODEL, CASE, params={"result_extension": ".nii.gz"}
        )
        print(f"segmented {CASE} over HTTP in {time.perf_counter() - asked:.2f} s")
        label_map = read_label_map(Path(answer), card.labels)
    truth = read_label_map(SAMPLES / "studies" / "labels" / "final" / f"{CASE}.nii.gz", card.labels)
    for agreement in compare(label_map, truth):
        print(
            f"{agreement.label:>10}: Dice {agreement.dice:.3f}, "
            f"Hausdorff 95 {agreement.hausdorff95_mm:.1f} mm, {agreement.predicted_ml:.2f} ml"
        )
    for warning in params.get("warnings", []):
        print(warning)
    write(output / "label.seg.nrrd", label_map, card.colors)
    volume = read(SAMPLES / "studies" / f"{CASE}.nii.gz")
    draw(output / "overlay.png", volume, label_map, card.colors, truth)
    print(f"wrote {output / 'label.seg.nrrd'} and {output / 'overlay.png'}")


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server on a copy of the samples; stopped when the block ends."""
    studies = shutil.copytree(SAMPLES / "studies", folder / "studies")
    port = free_port()
    command = [sys.executable, "-m", "verisim.cli", "serve", "--studies", str(studies)]
    command += ["--port", str(port), "--workspace", str(folder / "app")]
    command += ["--models", str(folder / "models")]
    log = folder / "server.log"
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/info/", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask until the server answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
        else:
            return
    sys.exit(f"The server did not start:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()

"""Start the server, segment the phantom over HTTP with the stock client, and draw the result."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monailabel.client import MONAILabelClient

from verisim.files import read, read_label_map, write
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import compare
from verisim.overlay import draw
from verisim.serving import Service, free_port, prepare_app, running

SAMPLES = Path(__file__).parent
MODEL = "hippocampus-unet"
CASE = "phantom_001"


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
    reference = SAMPLES / "studies" / "labels" / "final" / f"{CASE}.nii.gz"
    truth = read_label_map(reference, card.labels)
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
    service = Service(
        str(studies), prepare_app(folder / "app"), folder / "models", port=free_port()
    )
    with running(service, folder / "server.log"):
        yield service.url


if __name__ == "__main__":
    main()

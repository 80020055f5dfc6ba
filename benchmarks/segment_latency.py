"""From the request to the mask: how much of it is the network, beside MONAI Label's own pipeline.

Both servers run the same weights on the same volume in the same run, one request at a time, and
are asked in turn by MONAI Label's own client:

    python benchmarks/segment_latency.py [VOLUME]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monailabel.client import MONAILabelClient
from rich.console import Console
from rich.table import Table

from verisim.card import ModelCard
from verisim.files import read_label_map
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.serving import Service, free_port, prepare_app, running
from verisim.volume import Array

ROOT = Path(__file__).parents[1]
VOLUME = ROOT / "sample-data" / "studies" / "synthetic_001.nii.gz"


@dataclass(frozen=True)
class Request:
    """One request: wall time at the client, time in the network, and the mask."""

    seconds: float
    network: float
    mask: Array

    @property
    def rest(self) -> float:
        """Everything that is not the network: transfer, reading, resampling, writing, waiting."""
        return self.seconds - self.network


def main() -> None:
    """Start both servers, ask them in turn, print the table."""
    arguments = _arguments()
    card = find_card("hippocampus-unet", SHIPPED_MODELS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        studies = folder / "studies"
        studies.mkdir()
        suffix = "".join(arguments.volume.suffixes[-2:])
        shutil.copy(arguments.volume, studies / f"case{suffix}")
        ours = Service(str(studies), prepare_app(folder / "ours"), folder, port=free_port())
        peer = _peer(folder, studies, card)
        for name, service in (("ours", ours), ("peer", peer)):
            stack.enter_context(running(service, folder / f"{name}.log"))
        pairs = [
            (ask(ours.url, card, folder), ask(peer.url, card, folder))
            for _ in range(arguments.runs + 1)
        ][1:]  # the first of each loads the network
    _print([a for a, _ in pairs], [b for _, b in pairs])


def ask(url: str, card: ModelCard, folder: Path) -> Request:
    """Segment the case by its id and read the mask that comes back."""
    client = MONAILabelClient(url, tmpdir=str(folder))
    start = time.perf_counter()
    file, params = client.infer(
        card.name, "case", params={"result_extension": ".nii.gz", "device": "cpu"}
    )
    seconds = time.perf_counter() - start
    mask = read_label_map(Path(file), card.labels).array
    Path(file).unlink()
    network = params.get("seconds", {}).get("network", params["latencies"]["infer"])
    return Request(seconds, network, mask)


def _peer(folder: Path, studies: Path, card: ModelCard) -> Service:
    """MONAI Label's stock pipeline with the same weights."""
    weights = folder / "peer.pt"
    torch.save(card.load().state_dict(), weights)
    app = shutil.copytree(ROOT / "benchmarks" / "peer_app", folder / "peer")
    return PeerService(str(studies), app, folder, port=free_port(), weights=weights)


@dataclass(frozen=True)
class PeerService(Service):
    """The peer's app asks for its weights instead of a folder of models."""

    weights: Path = Path()

    @property
    def program(self) -> str:
        """MONAI Label's own."""
        return "monailabel.main"

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """What the peer's app reads."""
        return (("weights", str(self.weights)),)


def _print(ours: Sequence[Request], peer: Sequence[Request]) -> None:
    table = Table("server", "request to mask (ms)", "network (ms)", "the rest (ms)", "rest of 1 s")
    for name, requests in (("Verisim", ours), ("BasicInferTask", peer)):
        rest = statistics.median(r.rest for r in requests)
        table.add_row(
            name,
            _spread([r.seconds for r in requests]),
            _spread([r.network for r in requests]),
            _spread([r.rest for r in requests]),
            f"{rest:.1%}",
        )
    console = Console()
    console.print(table)
    differing = int(np.count_nonzero(ours[-1].mask != peer[-1].mask))
    console.print(
        f"median [min, max] of {len(ours)} requests each, in turn; {torch.get_num_threads()} "
        f"threads; the masks differ in {differing} of {ours[-1].mask.size} voxels",
        markup=False,
    )


def _spread(seconds: Sequence[float]) -> str:
    low, high = min(seconds) * 1000, max(seconds) * 1000
    return f"{statistics.median(seconds) * 1000:.0f} [{low:.0f}, {high:.0f}]"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("volume", type=Path, nargs="?", default=VOLUME)
    parser.add_argument("--runs", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The same checkpoint answered by nnU-Net v2 and by Verisim, on the processor, in one run.

    python benchmarks/nnunet_inference.py MODEL_FOLDER [--threads N] [--output table.json]

MODEL_FOLDER is what nnUNetv2_train wrote; `verisim import-nnunet` makes a model of it. Both then
segment the same real volumes, cold (a fresh process each time) and warm (the network stays in
memory), and a large synthetic volume cold, in turn, with as many threads and with the same
mirroring. Wall times are medians; memory is the largest sum over a process and all its children.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from beside_nnunet.cold import Models, compare_cold
from beside_nnunet.commands import PROGRAMS
from beside_nnunet.material import DATA, cases_of, lay_out, lay_out_large, shape_of
from beside_nnunet.measuring import KIND_OF_MEMORY, keep_to, measured, processors
from beside_nnunet.report import Comparison, facts, table, tell
from beside_nnunet.warm import compare_server, compare_warm
from verisim.files.atomic import replacing
from verisim.installed import find_card
from verisim.precision import has_bfloat16

NAME = "imported"
WIDTH = 180
"""Of the table in a file."""

MIRRORING = {"no": (False,), "yes": (True,), "both": (False, True)}
PARTS = ("cold", "warm", "server", "large")


def main() -> None:
    """Import, compare, print the table."""
    arguments = _arguments()
    keep_to(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        models = imported(arguments.model_folder, Path(folder))
        comparisons = []
        for comparison in _comparisons(models, arguments):
            comparisons.append(comparison)
            if arguments.output:  # a long run that is stopped leaves what it found
                _write(arguments.output, arguments, comparisons)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=WIDTH)
    console.print(table(comparisons))
    for line in machine(arguments.threads).items():
        console.print(": ".join(line), markup=False)


def imported(model_folder: Path, work: Path) -> Models:
    """The checkpoint as a model of Verisim's, in a folder that goes away."""
    program = PROGRAMS / "verisim"
    command = [program, "import-nnunet", model_folder, "--name", NAME, "--models", work / "models"]
    measured(command, work / "import.log")
    return Models(model_folder, find_card(NAME, work / "models"), work)


def machine(threads: int) -> dict[str, str]:
    """What the figures depend on."""
    return {
        "processor": _processor(),
        "threads": str(threads),
        "precision": "nnU-Net single precision; Verisim "
        + ("bfloat16 unless said" if has_bfloat16("cpu") else "single precision"),
        "memory": f"{KIND_OF_MEMORY} of all processes together",
        "versions": ", ".join(
            f"{package} {version(package)}" for package in ("verisim", "nnunetv2", "torch")
        ),
    }


def _comparisons(models: Models, arguments: argparse.Namespace) -> Iterator[Comparison]:
    cases = cases_of(arguments.data, arguments.cases)
    images = lay_out(cases, models.work / "images")
    what, repetitions = f"{len(cases)} volumes, cold", arguments.repetitions
    for mirroring in _mirroring(models, arguments.mirroring):
        if "cold" in arguments.parts:
            yield compare_cold(models, images, what, mirroring, repetitions)
        if "warm" in arguments.parts:
            yield from compare_warm(models, images, mirroring, repetitions)
        if "server" in arguments.parts:
            yield compare_server(models, images, mirroring, repetitions)
    if "large" in arguments.parts:
        large = lay_out_large(arguments.large, cases, models.work / "large")
        sides = "×".join(str(side) for side in arguments.large)
        tell(f"one volume of {sides}: minutes on each side")
        yield compare_cold(models, large, f"{sides}, cold", arguments.large_mirrored, 0)


def _mirroring(models: Models, wanted: str) -> tuple[bool, ...]:
    if models.card.mirrored_axes:
        return MIRRORING[wanted]
    if wanted != "no":
        tell("trained for no mirror images: compared without them")
    return MIRRORING["no"]


def _write(path: Path, arguments: argparse.Namespace, comparisons: list[Comparison]) -> None:
    found = {"machine": machine(arguments.threads), "comparisons": facts(comparisons)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names) or processors()} in all"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model_folder", type=Path, help="like nnUNetTrainer__nnUNetPlans__3d_fullres")
    add("--data", type=Path, default=DATA, help="labelled data set, its split val [%(default)s]")
    add("--cases", type=int, default=20, help="how many volumes [%(default)s]")
    add("--large", type=shape_of, default=(256, 256, 200), help="voxels [256x256x200]")
    add("--large-mirrored", action="store_true", help="eight times as long")
    add("--threads", type=int, default=processors(), help="of either side [%(default)s]")
    add("--repetitions", type=int, default=3, help="timed rounds [%(default)s]")
    add("--mirroring", choices=MIRRORING, default="both", help="of the small volumes [both]")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to compare [all]")
    add("--output", type=Path, help="also write the figures, a JSON file")
    arguments = parser.parse_args()
    if arguments.cases < 1 or arguments.threads < 1 or arguments.repetitions < 1:
        parser.error("--cases, --threads and --repetitions are at least 1")
    return arguments


if __name__ == "__main__":
    main()

"""The table of attributes that `hippocampus-diffusion` was told: size and side of each case.

    python benchmarks/hippocampus_attributes.py HIPPOCAMPUS table.csv

Size is the third, among the training cases, that the volume of both labels falls into. The
Decathlon says of no case which side it is: its ids 2k - 1 and 2k are the two sides of one scan,
so a side is "odd" or "even". A case that belongs to a scan of other ids has an unknown side.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

import numpy as np

from verisim.dataset import Case, open_dataset
from verisim.files.atomic import replacing
from verisim.subjects import SAME_SUBJECT

SIZES = ("small", "medium", "large")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the data set")
    parser.add_argument("table", type=Path, help="CSV file to write")
    asked = parser.parse_args()
    dataset = open_dataset(asked.data)
    volumes = {case.name: _millilitres(case, dict(dataset.labels)) for case in dataset.cases}
    teaching = [volumes[case.name] for case in dataset.split("train")]
    low, high = np.quantile(teaching, (1 / 3, 2 / 3))
    print(f"small below {low:.3f} ml, large from {high:.3f} ml on")
    with replacing(asked.table) as temporary, temporary.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("case", "size", "side"))
        for name, volume in volumes.items():
            size = SIZES[int(volume >= low) + int(volume >= high)]
            lines.writerow((name, size, side_of(name)))


def side_of(case: str) -> str:
    """ "odd" or "even" by the number of a case; empty where it says nothing."""
    number = re.fullmatch(r"hippocampus_(\d+)", case)
    if number is None or case in SAME_SUBJECT:
        return ""
    return "odd" if int(number.group(1)) % 2 else "even"


def _millilitres(case: Case, labels: dict[str, int]) -> float:
    return sum(case.label_map(labels).volumes_ml.values())


if __name__ == "__main__":
    main()

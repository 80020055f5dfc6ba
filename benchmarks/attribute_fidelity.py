"""How many new cases are what was asked for, beside real cases judged alike.

    python benchmarks/attribute_fidelity.py MODEL --data DATA --attributes table.csv -n 30
        [--by-volume size] [--ways 1/1 1.5/2] [--models FOLDER]

For every value of every attribute that MODEL knows it makes N cases, and judges each: intensity
families by the nearest centre of the card, attributes that `--by-volume` names by the volume of
all labels together, others by a logistic regression on coarse images, since features that are
means over a volume are blind to sides. A judge learns from real training cases; how often it is
right about real cases of subjects that it does not know is the ceiling. A way is the guidance of
images, a slash, and the guidance of label maps.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from skimage.transform import resize
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from verisim.card import ModelCard
from verisim.cli.options import USER_MODELS
from verisim.cli.terminal import COUNT, Terminal
from verisim.dataset import Case, Dataset, open_dataset
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.networks.attributes import Attribute
from verisim.networks.network import Diffusing
from verisim.progress import Part, Progress
from verisim.synthesis import Synthesizer
from verisim.synthesis.synthesizer import wished
from verisim.training.families import family_of
from verisim.training.told import Telling
from verisim.volume import LabelMap, Volume

COARSE = (12, 16, 12)
"""Voxels of a coarse image; boxes of other sizes are stretched to it."""

DIRECTIONS = 40
"""Of a judge of coarse images, of most variance."""

STRENGTH = 0.01
"""Inverse of the judge's regularization: there are more voxels than cases."""

FOLDS = 5

Pair = tuple[Volume, LabelMap]
Values = npt.NDArray[np.float64]
Judge = Callable[[Sequence[Pair]], list[str]]
"""Says the value of each case."""


@dataclass(frozen=True)
class Real:
    """Real cases, with what is known of one attribute.

    Args:
        pairs: Image and label map of each.
        subjects: Whose each is.
        values: What each is.
    """

    pairs: Sequence[Pair]
    subjects: Sequence[str]
    values: Sequence[str]

    def some(self, rows: Sequence[int]) -> Real:
        """Those of some numbers."""
        return Real(
            [self.pairs[k] for k in rows],
            [self.subjects[k] for k in rows],
            [self.values[k] for k in rows],
        )


@dataclass(frozen=True)
class Row:
    """What was asked, in which way, and how many cases were it."""

    attribute: str
    value: str
    way: tuple[float, float]
    right: int
    made: int
    real: float


def main() -> None:
    """Make, judge, and print."""
    asked = _arguments().parse_args()
    card = find_card(asked.model, SHIPPED_MODELS, asked.models)
    ways = [_way(one) for one in asked.ways] or [(1.0, 1.0), own_way(card)]
    dataset = open_dataset(asked.data)
    told = known_of(dataset, card, asked.attributes)
    with Terminal(as_json=False).progress("make", COUNT) as progress:
        rows = list(judged(card, dataset, told, asked.by_volume, ways, asked.count, progress))
    Console(width=110).print(table(rows))


def judged(
    card: ModelCard,
    dataset: Dataset,
    told: Mapping[str, Mapping[str, str]],
    by_volume: Sequence[str],
    ways: Sequence[tuple[float, float]],
    count: int,
    progress: Progress,
) -> Iterator[Row]:
    """A row for each value of each attribute and each way.

    Args:
        card: The generator.
        dataset: Real cases.
        told: Name of a case to attribute to value.
        by_volume: Attributes that the volume of all labels tells.
        ways: Guidance of images and of label maps.
        count: Cases of each row.
        progress: Hears of every case.
    """
    assert isinstance(card.network, Diffusing), "it knows attributes"
    cases = [*dataset.split("train"), *dataset.split("val")]
    train = len(dataset.split("train"))
    pairs = [case.pair(card.labels) for case in cases]
    wanted = [(a, v, w) for a in card.network.attributes for v in a.values for w in ways]
    judges = {a.name: judge_of(a, card, a.name in by_volume) for a in card.network.attributes}
    learned: dict[str, tuple[Judge, float]] = {}
    for k, (attribute, value, way) in enumerate(wanted):
        if attribute.name not in learned:
            make = judges[attribute.name]
            real = real_of(cases, pairs, told, attribute.name)
            teaching = real_of(cases[:train], pairs[:train], told, attribute.name)
            learned[attribute.name] = make(teaching), ceiling(make, real)
        judge, right = learned[attribute.name]
        part = Part(progress, k, len(wanted), f"{attribute.name} {value}")
        made = cases_of(card, attribute.name, value, way, count, part)
        yield Row(attribute.name, value, way, judge(made).count(value), count, right)


def cases_of(
    card: ModelCard,
    name: str,
    value: str,
    way: tuple[float, float],
    count: int,
    progress: Progress,
) -> list[Pair]:
    """New cases of one value."""
    wish = wished(card, attributes={name: value}, guidance=way[0], attribute_guidance=way[1])
    made = Synthesizer(wish)(range(count), (), progress)
    return [(case.volume, case.label_map) for case in made]


def known_of(dataset: Dataset, card: ModelCard, by_hand: Path | None) -> dict[str, dict[str, str]]:
    """What is known of each real case: by the table, and by the centres of the card."""
    assert isinstance(card.network, Diffusing), "it knows attributes"
    told = Telling(by_hand).by_hand(dataset, "train", "val").values
    known = {case.name: dict(told.get(case.name, {})) for case in dataset.cases}
    for attribute in card.network.attributes:
        if attribute.centres:
            judge = judge_of(attribute, card, False)(Real([], [], []))
            for case in dataset.cases:
                known[case.name][attribute.name] = judge([case.pair(card.labels)])[0]
    return known


def judge_of(attribute: Attribute, card: ModelCard, by_volume: bool) -> Callable[[Real], Judge]:
    """What learns from real cases to say the value of others."""
    if attribute.centres:
        return lambda real: (
            lambda pairs: [family_of(attribute, card.preprocessing(one).array) for one, _ in pairs]
        )
    features = volume_of if by_volume else coarse_of
    classes = len(attribute.values)

    def learned(real: Real) -> Judge:
        tree = DecisionTreeClassifier(max_leaf_nodes=classes, random_state=0)
        lines = make_pipeline(
            StandardScaler(),
            PCA(min(DIRECTIONS, len(real.pairs) - 1), random_state=0),
            LogisticRegression(C=STRENGTH, max_iter=2000),
        )
        model = (tree if by_volume else lines).fit(features(real.pairs), real.values)
        return lambda pairs: [str(one) for one in model.predict(features(pairs))]

    return learned


def ceiling(make: Callable[[Real], Judge], real: Real) -> float:
    """How often a judge is right about real cases of subjects that it did not learn from."""
    folds = GroupKFold(min(FOLDS, len(set(real.subjects))))
    right = 0
    for learned, others in folds.split(real.values, groups=real.subjects):
        judge, unseen = make(real.some(learned.tolist())), real.some(others.tolist())
        said = judge(unseen.pairs)
        right += sum(one == value for one, value in zip(said, unseen.values, strict=True))
    return right / len(real.values)


def real_of(
    cases: Sequence[Case],
    pairs: Sequence[Pair],
    told: Mapping[str, Mapping[str, str]],
    name: str,
) -> Real:
    """Those cases of which the attribute is known."""
    values = [told.get(case.name, {}).get(name, "") for case in cases]
    whole = Real(pairs, [case.subject for case in cases], values)
    return whole.some([k for k, value in enumerate(values) if value])


def volume_of(pairs: Sequence[Pair]) -> Values:
    """Millilitres of all labels together, (N, 1)."""
    return np.array([[sum(label_map.volumes_ml.values())] for _, label_map in pairs])


def coarse_of(pairs: Sequence[Pair]) -> Values:
    """Normalized images in few voxels, (N, D)."""
    found = []
    for volume, _ in pairs:
        turned = volume.reoriented("RAS").array.astype(np.float64)
        normed = (turned - turned.mean()) / (turned.std() or 1.0)
        found.append(resize(normed, (*COARSE, *normed.shape[3:]), order=1).ravel())
    return np.array(found)


def own_way(card: ModelCard) -> tuple[float, float]:
    """The guidance that the card says."""
    generation = card.generation
    return getattr(generation, "guidance", 1.0), getattr(generation, "attribute_guidance", 1.0)


def table(rows: Sequence[Row]) -> Table:
    """A line for each value, a column for each way."""
    ways = list(dict.fromkeys(row.way for row in rows))
    printed = Table(
        "attribute", "value", *(f"guidance {a:g}/{b:g}" for a, b in ways), "real cases"
    )
    named = list(dict.fromkeys((row.attribute, row.value) for row in rows))
    for attribute, value in named:
        own = [row for row in rows if (row.attribute, row.value) == (attribute, value)]
        shares = [f"{row.right} of {row.made}" for row in own]
        printed.add_row(attribute, value, *shares, f"{own[0].real:.0%}")
    return printed


def _way(said: str) -> tuple[float, float]:
    images, _, label_maps = said.partition("/")
    return float(images), float(label_maps)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a generator that knows attributes")
    parser.add_argument("--data", type=Path, required=True, help="real cases, with splits")
    parser.add_argument("--attributes", type=Path, help="the table that it was told")
    parser.add_argument("--by-volume", nargs="*", default=[], help="attributes told by volume")
    parser.add_argument("--ways", nargs="*", default=[], help="guidance, as 1.5/2 [1/1, card's]")
    parser.add_argument("-n", "--count", type=int, default=30, help="cases of each value")
    parser.add_argument("--models", type=Path, default=USER_MODELS, help="folder of own models")
    return parser


if __name__ == "__main__":
    main()

"""What is told of cases: read from a table or from the images, and sometimes kept back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.balls import write_balls
from tests.training.tiny_run import a_ball
from verisim import files
from verisim.card import ModelCard, read_card
from verisim.dataset import Dataset
from verisim.diffusion import Generation
from verisim.errors import BadDataset, BadInput, NotFound
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDenoiser, CaseDiffusion
from verisim.training.batches import Batch
from verisim.training.case_batches import CaseBatches
from verisim.training.examples import Example
from verisim.training.families import families_of, family_of, quantiles_of
from verisim.training.generating import DROPPED, Generating
from verisim.training.generator_fit import GeneratorFit
from verisim.training.learning import Learning
from verisim.training.schedule import Schedule
from verisim.training.told import Telling, Told, knowing

SIZE = Attribute("size", ("large", "small"))
SIDE = Attribute("side", ("left", "right"))
SCHEDULE = Schedule(iterations=2, batch_size=2, validate_every=2, warm_up=1)
GOOD = [
    f"case_{k},{'large' if k % 2 else 'small'},{'left' if k < 6 else 'right'}" for k in range(13)
]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_balls(tmp_path / "balls", 13, 2)


def a_table(folder: Path, lines: list[str], columns: str = "case,size,side") -> Path:
    path = folder / "attributes.csv"
    path.write_text("\n".join([columns, *lines]) + "\n")
    return path


def by_hand(table: Path, dataset: Dataset, families: int = 0) -> Told:
    return Telling(table, families).by_hand(dataset, "train", "val")


def test_a_table_tells_attributes_and_an_empty_cell_is_unknown(
    dataset: Dataset, tmp_path: Path
) -> None:
    lines = ["case_0,small,", *GOOD[1:12]]
    found = by_hand(a_table(tmp_path, lines), dataset)
    assert found.attributes == (SIZE, SIDE)
    assert found.of("case_0").tolist() == [0, 1, 0, 0]
    assert found.of("case_7").tolist() == [1, 0, 0, 1]
    assert found.of("case_12").tolist() == [0, 0, 0, 0]  # not in the table


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*GOOD, "case_99,small,left"], "'case_99', which the data set does not have"),
        ([*GOOD, "case_3,small,left"], "'case_3' twice"),
        ([line.replace("large", "small") for line in GOOD], "'size' is 'small' in all"),
        (
            [*GOOD[:4], *(line.replace("large", "") for line in GOOD[4:])],
            "2 training case.* 'large'",
        ),
        ([*GOOD[:12], "case_12,huge,right"], "0 training case.* 'huge'"),
        ([line.split(",")[0] for line in GOOD], "tells nothing of any case"),
    ],
)
def test_a_table_that_cannot_be_learned_is_refused(
    lines: list[str], said: str, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(BadDataset, match=said):
        by_hand(a_table(tmp_path, lines), dataset)


def test_what_is_no_table_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"absent\.csv"):
        by_hand(tmp_path / "absent.csv", dataset)
    with pytest.raises(BadDataset, match="no columns case"):
        by_hand(a_table(tmp_path, GOOD, "name,size,side"), dataset)
    with pytest.raises(BadDataset, match="column 'intensity'"):
        by_hand(a_table(tmp_path, GOOD, "case,size,intensity"), dataset, families=2)


@pytest.mark.parametrize("count", [1, -2, 10])
def test_so_many_families_are_none(count: int) -> None:
    with pytest.raises(BadInput, match=str(count)):
        Telling(families=count)


def images(count: int) -> list[np.ndarray]:
    """Two kinds of histogram, in turn: of many dark voxels, and of many bright ones."""
    generator = np.random.default_rng(0)
    drawn = generator.exponential(size=(count, 1, 6, 7, 8)) - 1
    return [one if k % 2 else -one for k, one in enumerate(drawn)]


def test_families_are_told_by_their_centres_the_darkest_middle_first() -> None:
    shown = images(20)
    families = families_of(shown, 2)
    assert families.values == ("1", "2")
    assert [family_of(families, one) for one in shown] == ["2", "1"] * 10
    assert families == families_of(shown[::-1], 2)  # in whatever order


def test_quantiles_are_those_of_each_channel() -> None:
    image = np.stack([np.linspace(0, 1, 1001).reshape(7, 11, 13), np.full((7, 11, 13), 5.0)])
    found = quantiles_of(image)
    assert found[:7] == pytest.approx((0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98))
    assert found[7:] == (5.0,) * 7


def test_images_that_are_all_alike_have_no_families() -> None:
    with pytest.raises(BadDataset, match="too much alike"):
        families_of([images(1)[0]] * 8, 2)


def test_a_family_of_few_cases_is_refused() -> None:
    shown = [
        Example(one, np.zeros((6, 7, 8), np.uint8), f"case_{k}") for k, one in enumerate(images(8))
    ]
    with pytest.raises(BadDataset, match="4 training case"):
        Telling(families=2).by_images(shown, [])


def test_attributes_of_both_sources_are_told_together() -> None:
    one = Told((SIZE,), {"a": {"size": "small"}, "b": {}})
    other = Told((SIDE,), {"a": {"side": "left"}, "c": {"side": "right"}})
    both = one.beside(other)
    assert both.of("a").tolist() == [0, 1, 1, 0]
    assert both.of("b").tolist() == [0, 0, 0, 0]
    assert both.of("c").tolist() == [0, 0, 0, 1]


class Listening(torch.nn.Module):
    """A network that remembers what it was told."""

    made, known = 1, 1

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Tensor] = []

    def forward(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        self.heard.append(condition[:, :, 2, 2, 2])
        return torch.zeros_like(noisy)


@pytest.mark.parametrize("joint", [False, True])
def test_attributes_are_dropped_with_the_label_map_and_one_by_one(
    a_generator: ModelCard, joint: bool
) -> None:
    assert isinstance(a_generator.network, CaseDiffusion)
    plan = replace(a_generator.network, attributes=(SIZE, SIDE), joint=joint)
    network = plan.build(1, 3)
    cases = 600
    both = torch.tensor([0.0, 1, 1, 0]).repeat(cases, 1)
    images, labels = torch.zeros(cases, 1, 8, 8, 8), torch.ones(cases, 1, 8, 8, 8)
    batch = Batch(images, labels.to(torch.int16), attributes=both)
    listening = Listening()
    network.image = listening  # type: ignore[assignment]  # it hears and answers alike
    network.labels = None if joint else Listening()  # type: ignore[assignment]
    network.register_parameter("anything", torch.nn.Parameter(torch.zeros(1)))
    Generating(Generation(), 0)(network, batch, 0)
    (heard,) = listening.heard
    size, side = heard[:, -4:-2].sum(1), heard[:, -2:].sum(1)
    expected = 1 - (1 - DROPPED) ** 2
    for one in (size, side):
        assert (one == 0).float().mean().item() == pytest.approx(expected, abs=0.04)
    assert ((size == 0) != (side == 0)).any()
    if not joint:
        shown = heard[:, 1]
        assert (size[shown == 0] == 0).all()
        assert (side[shown == 0] == 0).all()
        assert (size[shown == 1] == 1).float().mean().item() == pytest.approx(
            1 - DROPPED, abs=0.04
        )
        assert isinstance(network.labels, Listening)
        torch.testing.assert_close(network.labels.heard[0][:, -4:], heard[:, -4:])


def test_a_batch_tells_what_is_known_of_its_cases() -> None:
    known = Told((SIZE,), {"a": {"size": "small"}, "b": {"size": "large"}})
    shown = [replace(a_ball(k), name=name) for k, name in enumerate("abc")]
    batches = CaseBatches(shown, 8, (24, 24, 24), 3, (), 0, told=known)
    heard = torch.cat([batches(k).attributes for k in range(3)])  # type: ignore[misc]  # it is there
    assert heard.shape == (24, 2)
    assert set(map(tuple, heard.tolist())) == {(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)}


@pytest.fixture
def untrained(a_generator: ModelCard) -> ModelCard:
    return replace(a_generator, sha256="", patch_size=(24, 24, 24), training=None)


def test_a_model_tells_what_may_be_asked_of_it(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    for case in dataset.cases[::2]:  # a contrast that the others do not have
        volume = files.read(case.images[0])
        files.write(case.images[0], volume.new(np.exp(volume.array)))
    fit = GeneratorFit(untrained, dataset, SCHEDULE, telling=Telling(a_table(tmp_path, GOOD), 2))
    card = fit(tmp_path / "run", tmp_path / "models")
    assert read_card(card.card_path) == card
    assert isinstance(card.network, CaseDiffusion)
    *others, families = card.network.attributes
    assert others == [SIZE, SIDE]
    assert (families.name, families.values) == ("intensity", ("1", "2"))
    assert np.shape(families.centres) == (2, 7)
    assert "case_0" not in card.card_path.read_text()


def test_what_is_trained_further_keeps_what_it_learned_and_learns_to_hear(
    a_generator: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = GeneratorFit(replace(a_generator, patch_size=(24, 24, 24)), dataset, SCHEDULE)
    shown = [a_ball(0)]
    known = Told((SIZE,), {})
    start = Learning(fit.card, shown, shown, SCHEDULE, told=known).start().state_dict()
    before = a_generator.load().state_dict()
    assert all(torch.equal(start[k], one) for k, one in before.items() if not k.startswith("box"))
    assert not start["image.attributes"].any()
    told = replace(fit, telling=Telling(a_table(tmp_path, GOOD)))(tmp_path / "run", tmp_path / "m")
    learned = told.load().state_dict()["image.attributes"]
    assert learned.any()
    again = Learning(told, shown, shown, SCHEDULE, told=Told((SIZE, SIDE), {})).start()
    assert torch.equal(again.state_dict()["image.attributes"], learned)
    forgotten = Learning(told, shown, shown, SCHEDULE).start()
    assert "image.attributes" not in forgotten.state_dict()


def test_a_stylegan_cannot_be_told(
    a_stylegan: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = GeneratorFit(a_stylegan, dataset, SCHEDULE, telling=Telling(families=2))
    with pytest.raises(BadInput, match="no diffusion model"):
        fit(tmp_path / "run", tmp_path / "models")
    assert knowing(a_stylegan, (SIZE,)) == a_stylegan


def test_a_network_without_attributes_takes_no_chance_for_them(a_generator: ModelCard) -> None:
    """The loss of a plain model is the same as before there were attributes, to the last bit."""
    network = a_generator.load()
    label = torch.ones(2, 1, 16, 16, 16, dtype=torch.int16)
    batch = Batch(torch.zeros(2, 1, 16, 16, 16), label)
    told = replace(batch, attributes=torch.zeros(2, 0))
    objective = Generating(Generation(), 0)
    assert objective(network, batch, 0).item() == objective(network, told, 0).item()
    assert isinstance(network.get_submodule("image"), CaseDenoiser)

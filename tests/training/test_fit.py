"""From cases and a card without weights to a card with weights, and from version to version."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from tests.training.balls import write_balls
from verisim.card import ModelCard, read_card, write_model
from verisim.dataset import Dataset
from verisim.errors import BadDataset, BadInput, Cancelled, WrongChannels
from verisim.installed import find_card
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.weights import weights_of
from verisim.segmentation import NetworkSegmenter
from verisim.training.augmentation import seeded
from verisim.training.fit import Fit, gathered
from verisim.training.look_alikes import SubjectWarning
from verisim.training.member import Member
from verisim.training.schedule import Schedule

SHORT = Schedule(iterations=4, batch_size=1, warm_up=1, validate_every=2)
QUICK = Schedule(
    iterations=150, learning_rate=2e-2, warm_up=5, moving_average=0.9, validate_every=75
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three cases of a bright and a dark ball; the last validates."""
    return write_balls(tmp_path / "data")


@pytest.fixture
def untrained(a_card: ModelCard) -> ModelCard:
    """A card that knows nothing yet."""
    return replace(a_card, training=None, figures={})


def test_a_fit_leaves_a_model_that_can_be_found_loaded_and_used(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    card = Fit(untrained, dataset, QUICK)(tmp_path / "run", tmp_path / "models")
    assert find_card("tiny", tmp_path / "models") == card == read_card(card.card_path)
    assert card.figures["dice.val"] > 0.8
    volume, truth = dataset.split("val")[0].pair(dataset.labels)
    answer = NetworkSegmenter(card)(volume)
    assert answer.warnings == ()
    for label in dataset.labels:
        both = (answer.label_map.binary(label) & truth.binary(label)).sum()
        assert both > 0.7 * truth.binary(label).sum()


def test_a_diffusion_model_learns_and_is_fine_tuned(
    dataset: Dataset, a_diffusion_model: ModelCard, tmp_path: Path
) -> None:
    plan = MedSegDiff((8, 16), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)))
    untrained = replace(a_diffusion_model, network=plan, training=None, figures={}, sha256="")
    schedule = replace(QUICK, iterations=300, learning_rate=5e-3, validate_every=150)
    card = Fit(untrained, dataset, schedule)(tmp_path / "run", tmp_path / "models")
    assert card == read_card(card.card_path)
    assert card.figures["dice.val"] > 0.7
    came = Fit(card, dataset, replace(SHORT, learning_rate=1e-4)).improve(
        tmp_path / "tuned", tmp_path / "models"
    )
    assert came.before == pytest.approx(card.figures["dice.val"], abs=0.01)
    assert came.after > came.before - 0.05


def test_the_card_records_where_its_knowledge_comes_from(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    record = Fit(untrained, dataset, SHORT)(tmp_path / "run", tmp_path / "models").training
    assert record is not None
    assert (record.data, record.licence, record.split, record.cases) == (
        "balls",
        "CC0",
        "train",
        2,
    )
    assert (record.iterations, record.batch_size, record.seed) == (4, 1, 0)
    assert record.extent_mm == ((20.0, 20.0, 20.0), (20.0, 20.0, 20.0))
    assert record.initialized_from == ""
    assert record.seconds > 0
    assert record.device


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    def trained(name: str, seed: int) -> ModelCard:
        folder = tmp_path / name
        return Fit(untrained, dataset, replace(SHORT, seed=seed))(folder / "run", folder)

    first, again, other = trained("first", 1), trained("again", 1), trained("other", 2)
    weights, same = weights_of(first.load()), weights_of(again.load())
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert other.sha256 != first.sha256


class StopWhen:
    """Progress that cancels when told."""

    def __init__(self, due: Callable[[int, str], bool]) -> None:
        self.due = due

    def advance(self, done: int, total: int, message: str = "") -> None:
        if self.due(done, message):
            raise Cancelled("Stopped.")


class Steps:
    """Progress that keeps the steps it hears of, not the cases that are read."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def advance(self, done: int, total: int, message: str = "") -> None:
        if not message.startswith("reading"):
            self.steps.append(done)


def test_a_cancelled_fit_leaves_no_model_and_can_be_continued(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    fit = Fit(untrained, dataset, SHORT)
    stop = StopWhen(lambda done, message: done == 3 and "reading" not in message)
    with pytest.raises(Cancelled):
        fit(tmp_path / "run", tmp_path / "models", stop)
    assert not list(tmp_path.glob("models/*"))
    continued = fit(tmp_path / "run", tmp_path / "models")
    straight = fit(tmp_path / "other run", tmp_path / "other")
    weights, expected = weights_of(continued.load()), weights_of(straight.load())
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_reading_the_cases_can_be_cancelled(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    stop = StopWhen(lambda done, message: done == 1 and message.startswith("reading train"))
    with pytest.raises(Cancelled):
        Fit(untrained, dataset, SHORT)(tmp_path / "run", tmp_path / "models", stop)
    assert not (tmp_path / "models").exists()


def test_fine_tuning_writes_the_next_version_and_keeps_the_old_one(
    dataset: Dataset, a_trained_model: ModelCard, tmp_path: Path
) -> None:
    models = a_trained_model.folder
    came = Fit(a_trained_model, dataset, QUICK).improve(tmp_path / "run", models)
    assert came.improved
    assert came.after > came.before
    assert came.card.title == "tiny v2"
    assert came.card.training is not None
    assert came.card.training.initialized_from == "tiny v1"
    assert find_card("tiny", models) == came.card
    assert read_card(a_trained_model.card_path) == a_trained_model


def test_fine_tuning_that_makes_it_worse_leaves_the_present_version(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    good = Fit(untrained, dataset, QUICK)(tmp_path / "run", models)
    harmful = replace(SHORT, learning_rate=10.0, moving_average=0.0)
    came = Fit(good, dataset, harmful).improve(tmp_path / "tuning", models)
    assert not came.improved
    assert came.after < came.before
    assert came.before == pytest.approx(good.figures["dice.val"], abs=1e-3)
    assert came.card == good == find_card("tiny", models)
    assert len(list(models.glob("*.safetensors"))) == 1


def test_fine_tuning_starts_from_the_cards_weights(a_trained_model: ModelCard) -> None:
    start = weights_of(Member(a_trained_model, [], [], SHORT).start())
    stored = weights_of(a_trained_model.load())
    assert start.keys() == stored.keys()
    assert all(torch.equal(start[name], stored[name]) for name in stored)


def an_ensemble(card: ModelCard, folder: Path) -> ModelCard:
    """Two networks of different seeds in one model."""
    members = []
    for seed in (1, 2):
        with seeded(seed):
            members.append(weights_of(card.build()))
    return write_model(replace(card, members=2), gathered(members), folder)


def test_each_network_of_an_ensemble_starts_from_its_own_weights(
    a_card: ModelCard, tmp_path: Path
) -> None:
    card = an_ensemble(a_card, tmp_path)
    stored = weights_of(card.load())
    for k in range(2):
        start = weights_of(Member(card, [], [], SHORT, number=k).start())
        assert all(torch.equal(start[n], stored[f"members.{k}.{n}"]) for n in start)


def test_an_ensemble_is_fine_tuned_network_by_network_and_stays_an_ensemble(
    dataset: Dataset, a_card: ModelCard, tmp_path: Path
) -> None:
    card = an_ensemble(a_card, tmp_path / "models")
    heard = Steps()
    came = Fit(card, dataset, QUICK).improve(tmp_path / "run", tmp_path / "models", heard)
    assert came.improved
    assert (came.card.members, came.card.version) == (2, 2)
    assert came.card.training is not None
    assert came.card.training.iterations == QUICK.iterations // 2
    assert heard.steps == sorted(heard.steps)
    assert heard.steps[-1] == QUICK.iterations
    assert NetworkSegmenter(came.card)(dataset.split("val")[0].volume()).warnings == ()
    assert (tmp_path / "run" / "member1" / "curves.csv").is_file()


def test_an_ensemble_of_models_has_no_network_to_fine_tune(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    named = replace(untrained, ensemble=("a", "b"))
    with pytest.raises(BadInput, match="ensemble of a, b"):
        Fit(named, dataset, SHORT).improve(tmp_path / "run", tmp_path)


def test_what_a_killed_process_left_is_removed_and_other_models_are_left_alone(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    left = [tmp_path / "run" / ".writing-a" / "checkpoint.pt"]
    left += [tmp_path / "models" / ".writing-b" / "tiny-v1.safetensors"]
    other = tmp_path / "models" / ".writing-c" / "liver-v1.safetensors"
    for path in (*left, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
    Fit(untrained, dataset, SHORT)(tmp_path / "run", tmp_path / "models")
    assert list(tmp_path.glob("*/.writing-*")) == [other.parent]


def test_cases_that_do_not_fit_into_memory_train_the_same_weights(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Fit(untrained, dataset, SHORT)
    roomy = fit(tmp_path / "roomy", tmp_path / "a").load()
    monkeypatch.setattr("verisim.training.examples.MEMORY_SHARE", 0.0)
    seen: list[bool] = []
    stop = StopWhen(lambda *_: bool(seen.append((tmp_path / "tight/preprocessed").is_dir())))
    tight = fit(tmp_path / "tight", tmp_path / "b", stop).load()
    assert any(seen)
    assert not (tmp_path / "tight" / "preprocessed").exists()
    weights, expected = weights_of(tight), weights_of(roomy)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_cases_on_both_sides_that_look_the_same_are_named(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    for kind in ("images", "labels"):
        folder = tmp_path / "data" / kind
        (folder / "case_2.nii.gz").write_bytes((folder / "case_0.nii.gz").read_bytes())
    with pytest.warns(SubjectWarning, match=r"case_0 and case_2 \(1\.00\)"):
        Fit(untrained, dataset, SHORT)(tmp_path / "run", tmp_path / "models")


def test_a_label_of_another_image_is_named(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    other = nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4))
    nibabel.save(other, tmp_path / "data" / "labels" / "case_1.nii.gz")
    with pytest.raises(BadDataset, match="case_1"):
        Fit(untrained, dataset, SHORT)(tmp_path / "run", tmp_path / "models")


def test_a_case_with_other_channels_is_named(
    dataset: Dataset, untrained: ModelCard, tmp_path: Path
) -> None:
    wide = replace(untrained, channels=("T1", "T2"))
    with pytest.raises(WrongChannels, match="case_0 has 1 channel"):
        Fit(wide, dataset, SHORT)(tmp_path / "run", tmp_path / "models")

"""Five networks in one model, each tried on the cases that it did not learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.balls import write_balls
from verisim.card import ModelCard, read_card
from verisim.cross_validation import Answers, CrossValidation, FirstStage, answers_in
from verisim.dataset import Dataset
from verisim.errors import BadInput, Cancelled
from verisim.files import read_label_map
from verisim.installed import find_card
from verisim.metrics import dice
from verisim.networks.weights import weights_of
from verisim.segmentation import NetworkSegmenter
from verisim.training.cleaning import Cleaning
from verisim.training.schedule import Schedule

SHORT = Schedule(iterations=3, batch_size=1, warm_up=1, validate_every=3, moving_average=0.0)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Six cases without splits."""
    return write_balls(tmp_path / "data", count=6, held_out=0)


@pytest.fixture
def folds(dataset: Dataset, a_card: ModelCard) -> CrossValidation:
    """Of a tiny network, three steps each."""
    untrained = replace(a_card, training=None, figures={})
    return CrossValidation(untrained, dataset, SHORT, "all")


class Heard:
    """Progress that keeps its messages and may cancel."""

    def __init__(self, stop: str = "") -> None:
        self.stop = stop
        self.messages: list[str] = []

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.messages.append(message)
        if self.stop and self.stop in message:
            raise Cancelled("Stopped.")

    def trained(self, fold: int) -> bool:
        """Whether any step of a fold was heard of."""
        return any(message.startswith(f"fold {fold} ") for message in self.messages)


def test_one_model_holds_the_networks_of_all_folds(folds: CrossValidation, tmp_path: Path) -> None:
    card = folds(tmp_path / "run", tmp_path / "models")
    assert find_card("tiny", tmp_path / "models") == card
    assert card.members == 5
    stored = weights_of(card.load())
    for k in range(5):
        own = read_card(tmp_path / f"run/fold{k}/model/tiny-fold{k}-v1.toml")
        assert own.figures.keys() == {
            f"dice.fold{k}{label}" for label in ("", ".anterior", ".posterior")
        }
        for name, tensor in weights_of(own.load()).items():
            assert torch.equal(stored[f"members.{k}.{name}"], tensor)
    assert card.training is not None
    assert (card.training.cases, card.training.split) == (6, "all")
    assert card.training.extent_mm == ((20.0, 20.0, 20.0), (20.0, 20.0, 20.0))


def test_the_figures_are_those_of_networks_that_did_not_learn_from_the_case(
    folds: CrossValidation, dataset: Dataset, tmp_path: Path
) -> None:
    card = folds(tmp_path / "run", tmp_path / "models")
    cleaning = Cleaning(card.keep_largest_foreground, card.keep_largest)
    scores = []
    for k, fold in enumerate(dataset.folds(5, "all")):
        one = NetworkSegmenter(read_card(tmp_path / f"run/fold{k}/model/tiny-fold{k}-v1.toml"))
        assert not {c.subject for c in fold.training} & {c.subject for c in fold.validation}
        for case in fold.validation:
            volume, truth = case.pair(dataset.labels)
            answer = cleaning(one(volume).label_map)
            scores.append([dice(answer.binary(n), truth.binary(n)) for n in dataset.labels])
    assert len(scores) == 6
    assert card.figures["dice.cv"] == pytest.approx(np.mean(scores), abs=6e-5)
    anterior, posterior = np.mean(scores, axis=0)
    assert card.figures["dice.cv.anterior"] == pytest.approx(anterior, abs=6e-5)
    assert card.figures["dice.cv.posterior"] == pytest.approx(posterior, abs=6e-5)


def test_the_model_of_all_folds_answers_like_any_other(
    folds: CrossValidation, dataset: Dataset, tmp_path: Path
) -> None:
    card = folds(tmp_path / "run", tmp_path / "models")
    volume = dataset.cases[0].volume()
    assert NetworkSegmenter(card)(volume).label_map.shares_grid(volume)


@pytest.mark.parametrize("stop", ["fold 3 of 5", "answering fold 2"])
def test_a_stopped_cross_validation_goes_on_at_the_right_fold(
    folds: CrossValidation, tmp_path: Path, stop: str
) -> None:
    with pytest.raises(Cancelled):
        folds(tmp_path / "run", tmp_path / "models", Heard(stop))
    assert not (tmp_path / "models").exists()
    again = Heard()
    continued = folds(tmp_path / "run", tmp_path / "models", again)
    expected = [stop.startswith("fold 3") and k >= 3 for k in range(1, 6)]
    assert [again.trained(k) for k in range(1, 6)] == expected
    straight = folds(tmp_path / "straight", tmp_path / "other")
    assert continued.figures == straight.figures
    weights, wanted = weights_of(continued.load()), weights_of(straight.load())
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)


def test_a_fold_that_was_trained_by_itself_is_not_trained_again(
    folds: CrossValidation, tmp_path: Path
) -> None:
    one = folds.single(3, tmp_path / "run", tmp_path / "models")
    assert find_card("tiny-fold3", tmp_path / "models") == one
    heard = Heard()
    card = folds(tmp_path / "run", tmp_path / "models", heard)
    assert [heard.trained(k + 1) for k in range(5)] == [True, True, True, False, True]
    stored, own = weights_of(card.load()), weights_of(one.load())
    assert all(torch.equal(stored[f"members.3.{name}"], own[name]) for name in own)


def test_a_fold_that_does_not_exist_is_refused(folds: CrossValidation, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no fold 5"):
        folds.single(5, tmp_path / "run", tmp_path / "models")


def test_a_longer_training_drops_the_answers_of_the_shorter(
    folds: CrossValidation, tmp_path: Path
) -> None:
    folds(tmp_path / "run", tmp_path / "models")
    mark = tmp_path / "run" / "fold0" / "answers" / "old.nii.gz"
    mark.write_bytes(b"")
    longer = replace(folds, schedule=replace(SHORT, iterations=6))
    longer(tmp_path / "run", tmp_path / "models")
    assert not mark.exists()


def test_the_answers_are_kept_for_a_second_stage_and_given_to_it(
    folds: CrossValidation, dataset: Dataset, tmp_path: Path
) -> None:
    folds(tmp_path / "run", tmp_path / "models")
    answers = answers_in(tmp_path / "run")
    assert sorted(answers) == [f"case_{k}" for k in range(6)]
    cascade = replace(folds.card, name="second", previous="tiny")
    second = replace(folds, card=cascade, before=answers)
    card = second(tmp_path / "second", tmp_path / "models")
    first_layer = next(iter(weights_of(card.load()).values()))
    assert (card.previous, first_layer.shape[1]) == ("tiny", 3)
    first = FirstStage(card, answers["case_0"])
    volume = dataset.cases[0].volume()
    answer = NetworkSegmenter(card, previous=first)(volume).label_map
    assert answer.shares_grid(volume)
    with pytest.raises(BadInput, match="no answer"):
        FirstStage(card)(volume)


def test_the_score_is_that_of_the_cleaned_answers(
    folds: CrossValidation, dataset: Dataset, tmp_path: Path
) -> None:
    folds(tmp_path / "run", tmp_path / "models")
    cases = dataset.folds(5, "all")
    scores = Answers(dataset, cases, tmp_path / "run").scores(Cleaning(labels=("anterior",)))
    first = cases[0].validation[0]
    answer = read_label_map(tmp_path / f"run/fold0/answers/{first.name}.nii.gz", dataset.labels)
    cleaned = Cleaning(labels=("anterior",))(answer)
    truth = first.label_map(dataset.labels)
    assert scores.shape == (6, 2)
    expected = [dice(cleaned.binary(n), truth.binary(n)) for n in dataset.labels]
    np.testing.assert_allclose(scores[0], expected)

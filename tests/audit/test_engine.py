"""The engine says what brute force says, whatever was left out."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.audit.people import people
from verisim.audit.correlation import Correlation, numbered_apart
from verisim.audit.engine import Engine
from verisim.audit.half_rows import product
from verisim.audit.prepared import Prepared
from verisim.audit.pruning import least_bound
from verisim.audit.rows import Precision, Rows


def smooth_and_copied(count: int, queries: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with much in common, and queries of which every fifth is a noisy copy."""
    draw = np.random.default_rng(0)
    patterns = np.kron(draw.standard_normal((12, side // 4, side // 4)), np.ones((4, 4)))
    shares = draw.standard_normal((count + queries, 12))
    shares[:, 0] = 4
    images = np.tensordot(shares, patterns, 1) + draw.standard_normal(
        (count + queries, side, side)
    )
    images = images.astype(np.float32)[:, None, :, :, None]
    asked = images[count:]
    asked[::5] = images[: len(asked[::5])] + 0.5 * asked[::5]
    return images[:count], asked


def brute_force(queries: np.ndarray, training: np.ndarray) -> np.ndarray:
    a, b = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (queries, training))
    table: np.ndarray = np.corrcoef(a, b)[: len(a), len(a) :]
    return table


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_500_queries_among_5000_images_are_answered_like_brute_force(
    pruned: bool, precision: Precision
) -> None:
    training, queries = smooth_and_copied(5000, 500, 16)
    expected = brute_force(queries, training)
    found = Engine(Prepared.of(training, precision=precision, pruned=pruned))(queries)
    assert np.array_equal(found.rows[:, 0], expected.argmax(1))
    np.testing.assert_allclose(found.scores[:, 0], expected.max(1), atol=1e-5)


@pytest.mark.parametrize("pruned", [False, True])
def test_the_best_five_without_the_own_patient(pruned: bool) -> None:
    training, queries = smooth_and_copied(300, 60, 16)
    whose = [str(k // 3) for k in range(300)]
    asking = [str(k // 2) for k in range(60)]
    expected = brute_force(queries, training)
    expected[np.array(asking)[:, None] == np.array(whose)] = -3
    apart = numbered_apart(asking, whose)
    found = Engine(Prepared.of(training, pruned=pruned))(queries, 5, apart=apart)
    assert np.array_equal(found.rows, np.argsort(-expected, axis=1)[:, :5])


def test_pruning_computes_few_pairs_and_loses_no_copy() -> None:
    training, queries = smooth_and_copied(2000, 100, 32)
    expected = brute_force(queries, training)
    found = Engine(Prepared.of(training))(queries, least=0.8)
    copies = expected.max(1) >= 0.8
    assert copies.sum() >= 10
    assert np.array_equal(found.rows[copies, 0], expected[copies].argmax(1))
    assert found.computed < 0.5


@pytest.mark.parametrize("shape", [(1, 13, 18, 1), (2, 9, 10, 7), (1, 48, 36, 20)])
def test_no_product_is_above_its_bound(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).standard_normal((40, *shape)).cumsum(2).cumsum(3)
    training = Prepared.of(images.astype(np.float32))
    rows = training.rows.block(0, 40)
    asked = training.asked(training.rows)
    correlations = rows @ rows.T + asked.terms[:, None] + training.terms[None]
    assert training.bounds is not None
    # nothing is known: the finest level of every pair
    bounds = training.bounds.between(asked.bounds, 0, 40, torch.full((40,), -2.0))
    assert all(bool((bounds[:, k] >= least_bound(correlations[:, k])).all()) for k in range(40))
    # it is a bound worth having: below 1, which holds for all pairs anyway
    assert float(bounds.float().median()) < 0.95


def test_what_is_left_coarse_is_below_what_is_known() -> None:
    training, queries = smooth_and_copied(300, 60, 64)
    prepared = Prepared.of(training)
    asked = prepared.asked(Rows(queries, "cpu", prepared.origin))
    assert prepared.bounds is not None
    fine = prepared.bounds.between(asked.bounds, 0, 300, torch.full((60,), -2.0))
    known = torch.full((60,), 1.5)
    left = prepared.bounds.between(asked.bounds, 0, 300, known)
    enough = least_bound(known)[:, None]
    assert torch.equal(left >= enough, fine >= enough)
    assert not torch.equal(left, fine)


@pytest.mark.parametrize("kind", ["equal", "blocks", "tiny differences"])
def test_what_rounding_cannot_tell_apart_is_told_apart(kind: str) -> None:
    draw = np.random.default_rng(1)
    training = np.repeat(draw.standard_normal((1, 1, 24, 24, 1)), 200, 0)
    if kind == "blocks":  # nothing is left over by block averages
        training = np.kron(draw.standard_normal((200, 1, 6, 6, 1)), np.ones((1, 1, 4, 4, 1)))
    elif kind == "tiny differences":
        training = training + 0.01 * draw.standard_normal(training.shape)
    training = training.astype(np.float32)
    queries = training[::20] + np.float32(0.02) * draw.standard_normal((10, 1, 24, 24, 1))
    expected = brute_force(queries, training)
    for pruned in (False, True):
        found = Engine(Prepared.of(training, pruned=pruned))(queries, 2)
        np.testing.assert_allclose(found.scores, -np.sort(-expected, 1)[:, :2], atol=2e-6)
        if kind == "equal":  # the first of them
            assert np.array_equal(found.rows, [[0, 1]] * 10)


def test_the_scores_are_the_same_whatever_is_left_out_and_however_many_are_asked_at_once() -> None:
    training, queries = smooth_and_copied(400, 40, 32)
    whole = Engine(Prepared.of(training, pruned=False))(queries, 3)
    for engine in (Engine(Prepared.of(training)), Engine(Prepared.of(training, precision="fp32"))):
        parts = [engine(queries[k : k + 7], 3) for k in range(0, 40, 7)]
        assert np.array_equal(np.concatenate([part.scores for part in parts]), whole.scores)
        assert np.array_equal(np.concatenate([part.rows for part in parts]), whole.rows)


def test_many_training_images_pass_in_blocks_that_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training, queries = smooth_and_copied(500, 60, 16)
    expected = Engine(Prepared.of(training))(queries, 2)
    monkeypatch.setattr("verisim.audit.half_rows.IN_MEMORY", 1000)  # bounds lie in a file
    monkeypatch.setattr("verisim.audit.scan.BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr("verisim.audit.scan.KEPT", 10)
    monkeypatch.setattr("verisim.audit.one_pass.PAIRS", 6000)
    monkeypatch.setattr("verisim.audit.engine.BYTES", 6 * 256 * 25)
    for pruned in (False, True):
        found = Engine(Prepared.of(training, pruned=pruned))(queries, 2)
        assert np.array_equal(found.rows, expected.rows)
        assert np.array_equal(found.scores, expected.scores)


def test_an_engine_travels_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    training, queries = smooth_and_copied(200, 20, 16)
    monkeypatch.setattr("verisim.audit.half_rows.IN_MEMORY", 1000)
    engine = Engine(Prepared.of(training))
    there = pickle.loads(pickle.dumps(engine))
    assert np.array_equal(there(queries).rows, engine(queries).rows)


def test_what_was_changed_in_memory_alone_is_not_given_back(tmp_path: Path) -> None:
    training, queries = smooth_and_copied(200, 20, 32)
    np.save(tmp_path / "training.npy", training)
    mapped = np.load(tmp_path / "training.npy", mmap_mode="c")
    mapped[7] = queries[3]
    assert Engine(Prepared.of(mapped))(queries).rows[3, 0] == 7
    assert np.array_equal(mapped[7], queries[3])


def test_images_are_read_from_a_mapped_file(tmp_path: Path) -> None:
    training, queries = smooth_and_copied(200, 20, 16)
    path = tmp_path / "training.npy"
    np.save(path, training)
    mapped = np.load(path, mmap_mode="r")
    found, expected = Engine(Prepared.of(mapped))(queries), Engine(Prepared.of(training))(queries)
    assert np.array_equal(found.rows, expected.rows)


def test_correlation_does_not_mind_gain_and_offset() -> None:
    training, new = people(8), people(3, first=100)
    index = Correlation().prepared(training)
    plain = index(new)
    brighter = index(new.__class__(**{**vars(new), "images": 40 * new.images + 7}))
    np.testing.assert_allclose(brighter.scores, plain.scores, atol=1e-5)
    assert np.array_equal(brighter.nearest, plain.nearest)


def test_an_image_of_one_value_correlates_with_nothing() -> None:
    training = people(4)
    rows = Rows(np.ones((1, *training.images.shape[1:]), np.float32)).block(0, 1)
    assert not torch.any(rows)


@pytest.mark.parametrize(("device", "kept"), [("cpu", torch.bfloat16), ("cuda", torch.float32)])
def test_a_graphics_card_leaves_products_in_fp32(device: str, kept: torch.dtype) -> None:
    with FakeTensorMode():  # tensors without numbers, so that no graphics card need be here
        rows, others = (torch.empty(n, 8, dtype=torch.bfloat16, device=device) for n in (4, 5))
        made = product(rows, others)
    assert made.dtype == kept
    assert made.shape == (4, 5)

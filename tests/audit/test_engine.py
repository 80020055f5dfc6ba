"""The engine says what brute force says, whatever was left out."""

import numpy as np
import pytest
import torch

from tests.audit.people import people
from verisim.audit.correlation import Correlation, numbered_apart
from verisim.audit.engine import Engine
from verisim.audit.pruning import Bounds
from verisim.audit.rows import Rows


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
    pruned: bool, precision: str
) -> None:
    training, queries = smooth_and_copied(5000, 500, 16)
    expected = brute_force(queries, training)
    found = Engine.of(training, precision=precision, pruned=pruned)(queries)
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
    found = Engine.of(training, pruned=pruned)(queries, 5, apart=apart)
    assert np.array_equal(found.rows, np.argsort(-expected, axis=1)[:, :5])


def test_pruning_computes_few_pairs_and_loses_no_copy() -> None:
    training, queries = smooth_and_copied(2000, 100, 32)
    expected = brute_force(queries, training)
    found = Engine.of(training)(queries, least=0.8)
    copies = expected.max(1) >= 0.8
    assert copies.sum() >= 10
    assert np.array_equal(found.rows[copies, 0], expected[copies].argmax(1))
    assert found.computed < 0.5


@pytest.mark.parametrize("shape", [(1, 13, 18, 1), (2, 9, 10, 7)])
def test_no_product_is_above_its_bound(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).standard_normal((40, *shape)).cumsum(2).cumsum(3)
    rows = Rows(images).block(0, 40)
    coarse = Coarse.of(rows, shape)
    assert bool((coarse.bounds(coarse) >= rows @ rows.T).all())
    # it is a bound worth having: below 1, which holds for all pairs anyway
    assert float(coarse.bounds(coarse).median()) < 0.95


def test_images_are_read_from_a_mapped_file(tmp_path: object) -> None:
    training, queries = smooth_and_copied(200, 20, 16)
    path = f"{tmp_path}/training.npy"
    np.save(path, training)
    mapped = np.load(path, mmap_mode="r")
    found, expected = Engine.of(mapped)(queries), Engine.of(training)(queries)
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

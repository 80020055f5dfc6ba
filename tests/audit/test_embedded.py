"""Networks of others: what they say of copies, and that none is replaced by another."""

from __future__ import annotations

import hashlib
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.audit.networks import Chance, Eyes, Maps, Nothing, eyes, saved
from tests.audit.people import FLAT, SHAPE, people
from verisim.audit.auditor import Auditor
from verisim.audit.backends import backend_of
from verisim.audit.correlation import Correlation
from verisim.audit.dreamsim import FILES, DreamSim
from verisim.audit.embedded import Embedded, pictures_of
from verisim.audit.findings import Weights
from verisim.audit.likeness import Likeness
from verisim.audit.page import page_of
from verisim.audit.planting import KINDS
from verisim.audit.report import read_report
from verisim.audit.sscd import MEAN, Sscd
from verisim.audit.verdicts import Policy
from verisim.errors import BadInput, NotFound, Unavailable, UnreadableFile


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of the form that SSCD has."""
    return eyes(tmp_path / "eyes.torchscript.pt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the names of DreamSim's weights."""
    made = tmp_path / "dreamsim"
    made.mkdir()
    for name in FILES:
        (made / name).write_bytes(name.encode())
    return made


@pytest.mark.parametrize("shape", [FLAT, SHAPE])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_copy_scores_one_and_a_stranger_less(
    weights: Path, shape: tuple[int, int, int], channels: int
) -> None:
    training = people(6, shape, channels=channels)
    matches = Embedded(Sscd.of(weights)).prepared(training)(training)
    np.testing.assert_allclose(matches.scores, 1, atol=1e-6)
    assert matches.nearest.tolist() == list(range(6))
    others = Embedded(Sscd.of(weights)).prepared(training)(people(4, shape, 50, channels))
    assert (others.scores < 0.999).all()
    assert (others.scores >= -1).all()


def test_a_patients_own_cases_can_be_left_out(weights: Path) -> None:
    training = people(5, FLAT)
    index = Embedded(Sscd.of(weights)).prepared(training)
    matches = index(training, not_of=training.patients)
    assert all(k != row for k, row in enumerate(matches.nearest))


def test_brightness_and_contrast_make_no_difference(weights: Path) -> None:
    training = people(5, FLAT)
    brighter = replace(training, images=40 * training.images + 7)
    scores = Embedded(Sscd.of(weights)).prepared(training)(brighter).scores
    np.testing.assert_allclose(scores, 1, atol=1e-5)


def test_a_score_is_the_mean_cosine_of_slices_at_the_same_places(weights: Path) -> None:
    backend = Sscd.of(weights)
    cases = people(2)
    first, second = (
        torch.nn.functional.normalize(
            backend.network("cpu")(pictures_of(image, backend.side)), dim=1
        )
        for image in cases.images
    )
    found = Embedded(backend).prepared(cases.subset([0]))(cases.subset([1])).scores[0]
    assert len(first) == 9
    assert found == pytest.approx(float((first * second).sum(1).mean().detach()), abs=1e-6)


def test_pictures_are_slices_across_each_axis_from_black_to_white() -> None:
    image = np.zeros((1, 20, 24, 28), np.float32)
    image[0, :, :, 14] = 5  # the middle across the third axis
    pictures = pictures_of(image, 32)
    assert pictures.shape == (9, 3, 32, 32)
    assert float(pictures.min()) == 0
    assert [k for k in range(9) if bool((pictures[k] > 0.99).all())] == [7]
    flat = pictures_of(image[..., 14:15] + np.eye(20, 24, dtype=np.float32)[None, ..., None], 32)
    assert flat.shape == (1, 3, 32, 32)
    assert torch.equal(flat[:, 0], flat[:, 2])


def test_pictures_are_what_the_network_was_trained_on(tmp_path: Path) -> None:
    class Grey(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.mean((2, 3))

    network = Sscd.of(saved(tmp_path / "grey.pt", Grey())).network("cpu")
    average = torch.tensor(MEAN)[None, :, None, None].expand(1, 3, 320, 320)
    torch.testing.assert_close(network(average), torch.zeros(1, 3))
    white = network(torch.ones(1, 3, 320, 320))[0]
    torch.testing.assert_close(white, torch.tensor([2.2489, 2.4286, 2.6400]), atol=1e-4, rtol=0)


def test_weights_that_are_missing_or_no_network_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.pt"):
        Sscd.of(tmp_path / "none.pt")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        Sscd.of(tmp_path)
    whole = weights.read_bytes()
    for content in (b"", b"nonsense", whole[:-200], whole[:300]):
        weights.write_bytes(content)
        with pytest.raises(UnreadableFile, match="no TorchScript") as refused:
            Sscd.of(weights)
        assert "sscd_disc_mixup" in refused.value.remedy
        assert "\n" not in refused.value.message


def test_networks_of_other_things_are_refused(tmp_path: Path) -> None:
    for network, reason in (
        (Maps(), r"gives \(2, 3, 320, 320\) for two pictures"),
        (Nothing(), "numbers that are none"),
        (Chance(), "by chance"),
        (Eyes(channels=1), "takes no pictures of 320 × 320"),
    ):
        path = saved(tmp_path / "other.pt", network)
        with pytest.raises(BadInput, match=reason):
            Sscd.of(path)


def test_weights_that_change_meanwhile_are_refused(weights: Path) -> None:
    backend = Sscd.of(weights)
    saved(weights, Eyes())
    with pytest.raises(BadInput, match="changed meanwhile"):
        Embedded(backend).prepared(people(2, FLAT))


def test_an_index_travels_to_another_process(weights: Path) -> None:
    training = people(4, FLAT)
    index = Embedded(Sscd.of(weights)).prepared(training)
    there = pickle.loads(pickle.dumps(index))
    assert np.array_equal(there(training).scores, index(training).scores)


def test_where_weights_lie_does_not_matter_but_which_they_are(
    weights: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "again.pt"
    elsewhere.write_bytes(weights.read_bytes())
    other = saved(tmp_path / "other.pt", Eyes())
    assert repr(Sscd.of(weights)) == repr(Sscd.of(elsewhere))
    assert repr(Sscd.of(weights)) != repr(Sscd.of(other))


def test_a_report_names_the_weights_and_is_the_same_again(weights: Path, tmp_path: Path) -> None:
    training, held_out = people(20, FLAT), people(19, FLAT, first=100)
    made = replace(people(3, FLAT, first=200), digests=("a", "b", "c"))
    made.images[1] = training.images[4]
    measures = [Correlation(), Embedded(Sscd.of(weights))]
    policy = Policy(plants=2)
    first, again = (
        Auditor(training, held_out, measures, policy, kinds=KINDS[:1])(made) for _ in range(2)
    )
    assert first.json() == again.json()
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert first.measures == ("correlation", "sscd")
    assert first.weights == (Weights("sscd", sha256),)
    assert first.cases[0].name == made.names[1]
    assert {sight.nearest for sight in first.cases[0].sights} == {training.names[4]}
    first.write(tmp_path)
    assert read_report(tmp_path) == first
    assert sha256 in page_of(first)


def test_measures_that_cannot_be_asked_together_are_refused(weights: Path) -> None:
    training, held_out = people(20, FLAT), people(19, FLAT, first=100)
    twice = [Embedded(Sscd.of(weights))] * 2
    with pytest.raises(BadInput, match="sscd was chosen twice"):
        Auditor(training, held_out, twice)
    with pytest.raises(BadInput, match="cannot stand in"):
        Auditor(training, held_out, [Likeness()], stand_in=True)


def test_a_backend_is_named_in_a_word(weights: Path) -> None:
    assert backend_of(f"sscd={weights}").name == "sscd"
    assert backend_of("own", seed=7) == Likeness(seed=7)
    for said in ("sscd", "sscd=", "clip=x", "own=x", ""):
        with pytest.raises(BadInput, match="There is no backend"):
            backend_of(said)


def test_dreamsim_without_its_package_or_weights_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dreamsim", None)
    with pytest.raises(Unavailable, match="DreamSim needs its package") as refused:
        backend_of(f"dreamsim={folder}")
    assert "pip install dreamsim" in refused.value.remedy
    (folder / FILES[0]).unlink()
    with pytest.raises(NotFound, match=f"{FILES[0]} .* nothing is downloaded"):
        backend_of(f"dreamsim={folder}")


def test_dreamsim_sees_pictures_of_its_size_and_its_folder_is_watched(folder: Path) -> None:
    sizes = []

    class Judge:
        """Answers as DreamSim does: of one picture with a vector."""

        def __init__(self, where: Path, device: str) -> None:
            self.look = Eyes()

        def __call__(self, pictures: Tensor) -> Tensor:
            sizes.append(tuple(pictures.shape[1:]))
            return self.look(pictures).squeeze(0)

    backend = DreamSim.of(folder, Judge)
    training = people(4, FLAT)
    matches = Embedded(backend).prepared(training)(training)
    assert matches.measure == "dreamsim"
    np.testing.assert_allclose(matches.scores, 1, atol=1e-6)
    assert set(sizes) == {(3, 224, 224)}
    (folder / "fetched.pth").write_bytes(b"new")
    with pytest.raises(BadInput, match="fetched what it missed"):
        backend.network("cpu")


def test_dreamsim_that_cannot_read_its_weights_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("dreamsim")

    def broken(*, pretrained: bool, device: str, cache_dir: str) -> None:
        raise RuntimeError(f"bad magic number in {cache_dir}")

    package.dreamsim = broken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dreamsim", package)
    with pytest.raises(UnreadableFile, match=r"cannot read the weights .* bad magic number"):
        backend_of(f"dreamsim={folder}")

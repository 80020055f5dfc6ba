"""Attributes of new cases: asked for, followed, recorded, and refused where nobody knows them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.synthesis.test_synthesizer import a_label_map, made, same
from verisim import files
from verisim.card import ModelCard, read_card, write_model
from verisim.errors import BadInput
from verisim.installed import SHIPPED_MODELS
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.weights import weights_of
from verisim.progress import SILENT
from verisim.synthesis import Synthesizer
from verisim.synthesis.case_set import CaseSet
from verisim.synthesis.synthesizer import wished

SAMPLES = Path(__file__).parents[2] / "sample-data" / "synthetic"


@pytest.fixture(params=[False, True], ids=["one after the other", "joint"])
def telling(a_generator: ModelCard, request: pytest.FixtureRequest) -> ModelCard:
    """A tiny generator that follows attributes as it happens to."""
    assert isinstance(a_generator.network, CaseDiffusion)
    known = (Attribute("size", ("large", "small")), Attribute("side", ("left", "right")))
    plan = replace(a_generator.network, attributes=known, joint=request.param)
    card = replace(a_generator, name="telling", network=plan)
    torch.manual_seed(0)
    network = plan.build(1, 3)
    network.remember([(12, 14, 10), (13, 15, 11), (12, 15, 12), (14, 14, 10)])
    weights = weights_of(network)
    heard = {k: torch.randn_like(one) for k, one in weights.items() if k.endswith("attributes")}
    return write_model(card, weights | heard, a_generator.folder)


def test_what_is_asked_changes_the_case_and_only_that(telling: ModelCard) -> None:
    plain = made(telling, range(1))[0]
    large = made(wished(telling, attributes={"size": "large"}), range(1))[0]
    small = made(wished(telling, attributes={"size": "small"}), range(1))[0]
    assert not same(plain, large)
    assert not same(large, small)
    assert plain.volume.spatial_shape == large.volume.spatial_shape  # the box is that of the seed
    assert same(large, made(wished(telling, attributes={"size": "large"}), range(1))[0])


def test_nothing_asked_is_nothing_asked(telling: ModelCard) -> None:
    plain = made(telling, range(1))[0]
    stronger = wished(telling, attributes={}, attribute_guidance=5.0)
    assert same(plain, made(stronger, range(1))[0])
    assert plain.provenance == made(stronger, range(1))[0].provenance


def test_guidance_asks_twice_where_it_guides(telling: ModelCard) -> None:
    """Of label maps nobody counts; an image made together with them counts twice when guided."""
    assert isinstance(telling.network, CaseDiffusion)
    asked = wished(telling, attributes={"side": "left"})
    counts = [
        made(one, range(1))[0].evaluations
        for one in (telling, asked, wished(asked, attribute_guidance=1.0))
    ]
    assert counts == ([3, 6, 3] if telling.network.joint else [6, 6, 6])


def test_guidance_goes_further(telling: ModelCard) -> None:
    asked = wished(telling, attributes={"size": "large"})
    found = [made(wished(asked, attribute_guidance=g), range(1))[0] for g in (0.0, 1.0, 4.0)]
    assert not same(found[1], found[2])
    if isinstance(telling.network, CaseDiffusion) and telling.network.joint:
        assert same(found[0], made(telling, range(1))[0])  # as if nothing was asked


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"sex": "female"}, "no attribute 'sex'"), ({"size": "huge"}, "no size 'huge'")],
)
def test_what_nobody_knows_is_refused(
    telling: ModelCard, asked: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        wished(telling, attributes=asked)
    assert telling.generation is not None
    unchecked = replace(telling, generation=replace(telling.generation, attributes=asked))
    with pytest.raises(BadInput, match=said):
        made(unchecked, range(1))


def test_models_without_attributes_say_so(a_generator: ModelCard, a_stylegan: ModelCard) -> None:
    with pytest.raises(BadInput) as refused:
        wished(a_generator, attributes={"size": "large"})
    assert "without any" in str(refused.value.remedy)
    with pytest.raises(BadInput, match="no setting attributes"):
        wished(a_stylegan, attributes={"size": "large"})
    assert wished(a_stylegan, attributes={}) == a_stylegan


def test_an_image_for_a_label_map_follows_attributes_too(telling: ModelCard) -> None:
    assert isinstance(telling.network, CaseDiffusion)
    if telling.network.joint:
        pytest.skip("it takes no label maps")
    given = a_label_map()
    plain, left = (
        made(one, range(1), given)[0]
        for one in (telling, wished(telling, attributes={"side": "left"}))
    )
    assert not np.array_equal(plain.volume.array, left.volume.array)
    np.testing.assert_array_equal(left.label_map.array, given.array)


def test_a_folder_holds_one_number_of_each_value_and_tells_which(
    telling: ModelCard, tmp_path: Path
) -> None:
    for size in ("large", "small"):
        asked = wished(telling, attributes={"side": "left", "size": size})
        cases = CaseSet(tmp_path, asked, "nrrd")
        (path,) = cases.fill(Synthesizer(asked), range(1))
        assert not cases.fill(Synthesizer(asked), range(1), (), SILENT)  # it is there already
        assert f"_size-{size}_side-left_s0_00000" in path.name
        assert f"size {size} side left" in path.read_bytes()[:2000].decode("latin-1")
    told = [json.loads(one.read_text()) for one in sorted((tmp_path / "provenance").iterdir())]
    assert [one["attributes"] for one in told] == [
        {"size": "large", "side": "left"},
        {"size": "small", "side": "left"},
    ]
    assert {one["attribute_guidance"] for one in told} == {2.0}


def test_a_card_from_before_there_were_attributes_makes_the_same(a_generator: ModelCard) -> None:
    expected = made(a_generator, range(1))[0]
    said = a_generator.card_path.read_text().splitlines()
    old = [one for one in said if "attribute" not in one]
    assert len(old) < len(said)
    a_generator.card_path.write_text("\n".join(old))
    assert read_card(a_generator.card_path) == a_generator
    assert same(made(read_card(a_generator.card_path), range(1))[0], expected)
    assert "attribute" not in expected.provenance.to_json()


def test_the_model_that_ships_makes_the_cases_it_always_made() -> None:
    """The first case of the sample data, made before models knew attributes."""
    (about,) = (SAMPLES / "provenance").glob("*_s0_00000.json")
    told = json.loads(about.read_text())
    path = SHIPPED_MODELS / f"{told['generator'].replace(' ', '-')}.toml"
    if not path.is_file():
        pytest.skip(f"{told['generator']} is not installed")
    (case,) = Synthesizer(read_card(path), precision="single")(range(1))
    assert told.items() <= case.provenance.told.items()
    image = files.read(SAMPLES / "imagesTr" / f"{about.stem}_0000.nii.gz")
    label_map = files.read_label_map(SAMPLES / "labelsTr" / f"{about.stem}.nii.gz")
    np.testing.assert_allclose(case.volume.array, image.array, atol=1)
    np.testing.assert_array_equal(case.label_map.array, label_map.array)

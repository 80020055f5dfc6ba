"""Attributes for a network: known ones as a 1, unknown ones as nothing at all."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from verisim.errors import BadCard, BadInput
from verisim.networks.attributes import Attribute, beside, told
from verisim.networks.case_diffusion import CaseDenoiser, CaseDiffusion
from verisim.networks.weights import fill, weights_of

SIZE, SIDE = Attribute("size", ("large", "small")), Attribute("side", ("left", "right", "both"))
PLAN = CaseDiffusion((4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 3)
TELLING = replace(PLAN, attributes=(SIZE, SIDE))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, [0, 0, 0, 0, 0]),
        ({"side": "right"}, [0, 0, 0, 1, 0]),
        ({"side": "left", "size": "small"}, [0, 1, 1, 0, 0]),
    ],
)
def test_what_is_known_is_a_one_and_what_is_unknown_nothing(
    known: dict[str, str], expected: list[float]
) -> None:
    assert told((SIZE, SIDE), known).tolist() == expected


def test_what_a_model_does_not_know_is_refused_with_what_it_knows() -> None:
    with pytest.raises(BadInput, match="no attribute 'sex'") as no_name:
        told((SIZE, SIDE), {"sex": "female"})
    assert "size (large, small); side (left, right, both)" in str(no_name.value.remedy)
    with pytest.raises(BadInput, match="no size 'huge'") as no_value:
        told((SIZE, SIDE), {"size": "huge"})
    assert "large, small" in str(no_value.value.remedy)
    with pytest.raises(BadInput) as nothing:
        told((), {"size": "large"})
    assert "without any" in str(nothing.value.remedy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a=b", "values": ("1", "2")},
        {"name": "", "values": ("1", "2")},
        {"name": "size", "values": ("large",)},
        {"name": "size", "values": ("large", "large")},
        {"name": "size", "values": ("large", "")},
        {"name": "size", "values": ("1", "2"), "centres": ((0.0,),)},
    ],
)
def test_what_is_no_attribute_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadCard):
        Attribute(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_two_attributes_of_one_name_are_refused() -> None:
    with pytest.raises(BadCard, match="'size' is there twice"):
        replace(PLAN, attributes=(SIZE, SIZE))


def asked(network: CaseDenoiser, attributes: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn((1, 1, 8, 8, 8), generator=generator)
    known = beside(torch.ones(1, 4, 8, 8, 8), attributes[None])
    with torch.inference_mode():
        answer: Tensor = network(noisy, torch.tensor([0.5]), known)
    return answer


@pytest.mark.parametrize("joint", [False, True])
def test_at_first_attributes_change_nothing(joint: bool) -> None:
    """Whatever is told, it is the network without attributes, to the last bit."""
    plain = replace(PLAN, joint=joint).build(1, 3)
    telling = replace(TELLING, joint=joint).build(1, 3)
    silent = {k: one for k, one in weights_of(telling).items() if k.endswith(".attributes")}
    assert len(silent) == (1 if joint else 2)
    fill(telling, weights_of(plain) | silent)
    noisy = torch.randn(1, plain.image.made, 8, 8, 8)
    condition = torch.ones(1, plain.image.known, 8, 8, 8)
    t = torch.tensor([0.5])
    with torch.inference_mode():
        expected = plain.image(noisy, t, condition)
        for known in ({}, {"size": "small", "side": "left"}):
            found = telling.image(noisy, t, beside(condition, told((SIZE, SIDE), known)[None]))
            assert torch.equal(found, expected)


def test_once_they_are_learned_they_change_everything_but_when_unknown() -> None:
    network = TELLING.build(1, 3).image
    unknown, small = told((SIZE, SIDE), {}), told((SIZE, SIDE), {"size": "small"})
    before = asked(network, unknown)
    assert network.attributes is not None
    torch.nn.init.normal_(network.attributes)
    assert torch.equal(asked(network, unknown), before)
    assert not torch.allclose(asked(network, small), before, atol=1e-3)


def test_attributes_learn_from_the_first_step_on() -> None:
    network = TELLING.build(1, 3).image
    condition = beside(torch.ones(1, 4, 8, 8, 8), torch.ones(1, 5))
    network(torch.randn(1, 1, 8, 8, 8), torch.rand(1), condition).square().mean().backward()
    assert network.attributes is not None
    assert network.attributes.grad is not None
    assert network.attributes.grad.abs().min() > 0


def test_a_condition_without_attributes_is_one_of_which_nothing_is_known() -> None:
    network = TELLING.build(1, 3).image
    assert network.attributes is not None
    torch.nn.init.normal_(network.attributes)
    assert torch.equal(asked(network, torch.zeros(0)), asked(network, torch.zeros(5)))

"""The frequency parser changes nothing at first, whatever the size, and can pass any band."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from verisim.networks import fourier
from verisim.networks.fourier import FFParser

SIZES = pytest.mark.parametrize("size", [(8, 8, 8), (5, 9, 12), (1, 7, 6), (31, 3, 2)])


def features(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def changed(parser: FFParser) -> FFParser:
    """With a map that is nowhere 1."""
    generator = torch.Generator().manual_seed(1)
    for part in (parser.real, parser.imaginary):
        part.data = torch.randn(part.shape, generator=generator)
    return parser


@SIZES
def test_a_map_of_ones_is_the_identity(size: tuple[int, ...]) -> None:
    seen = features(2, 3, *size)
    torch.testing.assert_close(FFParser(3, (4, 4, 4))(seen), seen)


def test_slices_are_parsed_as_volumes_are() -> None:
    seen = features(2, 3, 9, 6)
    torch.testing.assert_close(FFParser(3, (4, 4))(seen), seen)


@SIZES
def test_real_features_stay_real_and_keep_their_size(size: tuple[int, ...]) -> None:
    parsed = changed(FFParser(3, (4, 4, 4)))(features(2, 3, *size))
    assert parsed.dtype == torch.float32
    assert parsed.shape == (2, 3, *size)


def test_it_is_linear_and_follows_a_shift() -> None:
    parser, seen = changed(FFParser(3, (4, 4, 4))), features(1, 3, 6, 8, 10)
    torch.testing.assert_close(parser(3 * seen), 3 * parser(seen), atol=1e-4, rtol=1e-4)
    shifted = parser(seen.roll((1, 2, 3), (2, 3, 4)))
    torch.testing.assert_close(
        shifted, parser(seen).roll((1, 2, 3), (2, 3, 4)), atol=1e-4, rtol=1e-4
    )


def test_the_middle_of_the_map_passes_the_mean_alone() -> None:
    parser = FFParser(1, (5, 5, 3))
    parser.real.data.zero_()
    parser.real.data[..., 2, 2, 0] = 1  # along the last axis only half of the spectrum is kept
    parsed = parser(seen := features(1, 1, 5, 5, 4))
    torch.testing.assert_close(parsed, seen.mean().expand_as(parsed), atol=1e-6, rtol=1e-5)


def test_what_it_learns_has_gradients_of_its_own() -> None:
    parser = FFParser(2, (4, 4, 4))
    parser(features(1, 2, 8, 8, 8)).square().sum().backward()  # type: ignore[no-untyped-call]
    for part in (parser.real, parser.imaginary):
        assert part.grad is not None
        assert torch.isfinite(part.grad).all()
    assert parser.real.grad is not None
    assert parser.real.grad.abs().sum() > 0


@SIZES
def test_its_gradients_are_those_of_the_formula(size: tuple[int, ...]) -> None:
    parser = changed(FFParser(3, (4, 4, 4)))
    seen, wanted = features(2, 2, 3, *size)

    def gradients(filtered: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        given = seen.clone().requires_grad_()
        loss = (filtered(given) * wanted).sum()
        return torch.autograd.grad(loss, [given, parser.real, parser.imaginary])

    def formula(given: Tensor) -> Tensor:
        axes = (2, 3, 4)
        spectrum = torch.fft.rfftn(given, dim=axes, norm="ortho")
        weighted = spectrum * parser.attentive_map(spectrum.shape[2:])
        return torch.fft.irfftn(weighted, s=size, dim=axes, norm="ortho")

    for own, one in zip(gradients(parser), gradients(formula), strict=True):
        torch.testing.assert_close(own, one, atol=1e-4, rtol=1e-4)


def test_channels_that_take_turns_are_filtered_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    parser, seen = changed(FFParser(3, (4, 4, 4))), features(2, 3, 6, 8, 10)
    with torch.no_grad():
        together = parser(seen)
        monkeypatch.setattr(fourier, "VOXELS_AT_ONCE", 1)
        torch.testing.assert_close(parser(seen), together)
    torch.testing.assert_close(parser(seen), together)  # and as where gradients are wanted


def test_reduced_precision_keeps_its_type() -> None:
    seen = features(1, 2, 8, 8, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parsed = FFParser(2, (4, 4, 4))(seen)
    assert parsed.dtype == torch.bfloat16
    torch.testing.assert_close(parsed, seen)

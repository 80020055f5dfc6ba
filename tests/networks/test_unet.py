"""The U-Net is nnU-Net's own."""

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet

from tests.conftest import parameters
from verisim.networks.unet import UNet

DEFAULT = UNet(
    features=(16, 32, 64, 128),
    strides=((1, 1, 1), *[(2, 2, 2)] * 3),
    kernel_sizes=((3, 3, 3),) * 4,
)
SMALL = UNet((2, 4, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 1)), ((3, 3, 3),) * 3, convolutions=1)


def test_it_is_the_class_that_nnunet_uses() -> None:
    assert type(SMALL.build(1, 3)) is PlainConvUNet


def test_weights_fit_with_and_without_deep_supervision() -> None:
    deep, flat = SMALL.build(1, 3, deep_supervision=True), SMALL.build(1, 3)
    assert deep.state_dict().keys() == flat.state_dict().keys()
    flat.load_state_dict(deep.state_dict())
    patch = torch.ones(1, 1, 8, 8, 4)
    torch.testing.assert_close(deep.eval()(patch)[0], flat.eval()(patch))


def test_the_default_network_has_1_4_million_parameters() -> None:
    assert parameters(DEFAULT.build(channels=1, classes=3)) == 1_402_297


def test_logits_have_the_shape_of_the_patch_and_halve_at_each_level() -> None:
    deep = SMALL.build(channels=2, classes=5, deep_supervision=True)
    levels = deep(torch.zeros(3, 2, 16, 8, 4))
    assert [tuple(level.shape) for level in levels] == [(3, 5, 16, 8, 4), (3, 5, 8, 4, 2)]


def test_the_divisor_is_the_product_of_the_strides() -> None:
    assert SMALL.divisor == (4, 4, 2)
    assert DEFAULT.divisor == (8, 8, 8)


def test_the_last_layer_computes_in_single_precision_also_under_autocast() -> None:
    network = SMALL.build(1, 3).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = network(torch.ones(1, 1, 8, 8, 4))
    assert logits.dtype == torch.float32


def test_one_patch_is_normalized_as_torch_normalizes_instances() -> None:
    torch.manual_seed(0)
    network = SMALL.build(1, 3).eval()
    patches = torch.randn(2, 1, 8, 8, 4)
    with torch.inference_mode():
        together, alone = network(patches), torch.cat([network(one[None]) for one in patches])
    torch.testing.assert_close(alone, together)


def test_the_layout_of_the_channels_changes_nothing() -> None:
    torch.manual_seed(0)
    network, patch = SMALL.build(1, 3).eval(), torch.randn(1, 1, 8, 8, 4)
    with torch.inference_mode():
        first = network(patch)
        last = network.to(memory_format=torch.channels_last_3d)(patch)
    torch.testing.assert_close(last, first)

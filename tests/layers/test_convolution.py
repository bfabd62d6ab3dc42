import pytest
import torch
from torch.nn import functional as F

from epochal import layers


def test_channels_last_costs_no_copy_on_the_way_in_and_out():
    layer = layers.Conv2D(8, 3, padding="same")
    x = torch.randn(2, 6, 6, 4)
    y = layer(x)
    assert y.is_contiguous()
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (layers.Conv2D, {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2}),
        (layers.Conv2DTranspose, {"filters": 4, "kernel_size": 3, "strides": 2}),
        (layers.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 2}),
        (layers.SeparableConv2D, {"filters": 4, "kernel_size": 3}),
    ],
)
def test_both_data_formats_compute_the_same(kind, arguments):
    x = torch.randn(2, 7, 6, 3)
    last, first = kind(**arguments), kind(**arguments, data_format="channels_first")
    expected = last(x)
    first(x.movedim(-1, 1))
    first.set_weights(last.get_weights())
    torch.testing.assert_close(first(x.movedim(-1, 1)).movedim(1, -1), expected)


def test_a_causal_convolution_never_sees_what_comes_later():
    layer = layers.Conv1D(2, 3, padding="causal", dilation_rate=2)
    x = torch.randn(1, 10, 4)
    before = layer(x)
    x[:, 6:] = 0
    torch.testing.assert_close(layer(x)[:, :6], before[:, :6])
    assert before.shape == (1, 10, 2)


def test_a_separable_convolution_is_its_two_convolutions():
    layer = layers.SeparableConv2D(5, 3, depth_multiplier=2, activation="relu")
    x = torch.randn(2, 6, 6, 3)
    y = layer(x)
    inner = F.conv2d(x.movedim(-1, 1), layer.depthwise_weight, groups=3)
    expected = F.conv2d(inner, layer.pointwise_weight, layer.bias).relu().movedim(1, -1)
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("size", [(4, 3), (5, 5)])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_a_same_transposed_convolution_is_the_gradient_of_the_same_convolution(
    size, strides, kernel
):
    large = tuple(s * strides for s in size)
    forward = layers.Conv2D(3, kernel, strides, padding="same", use_bias=False)
    backward = layers.Conv2DTranspose(2, kernel, strides, padding="same", use_bias=False)
    images = torch.randn(1, *large, 2, requires_grad=True)
    outputs = forward(images)
    assert outputs.shape[1:3] == size
    y = torch.randn_like(outputs)
    backward(y)
    backward.set_weights(forward.get_weights())
    (outputs * y).sum().backward()
    torch.testing.assert_close(backward(y), images.grad, rtol=1e-4, atol=1e-5)


def test_large_strides_with_same_padding_do_not_reach_outside():
    assert layers.Conv2D(1, 1, strides=3, padding="same")(torch.zeros(1, 7, 7, 1)).shape == (
        1,
        3,
        3,
        1,
    )


def test_flattened_images_are_in_the_order_of_channels_last():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(layers.Flatten()(x), x.reshape(2, -1))
    first = layers.Flatten(data_format="channels_first")(x.movedim(-1, 1))
    assert torch.equal(first, x.reshape(2, -1))
    assert layers.Flatten()(torch.zeros(3)).shape == (3, 1)

import pytest
import torch

from epochal import layers


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3), (2, 4, 5, 3), (2, 2, 4, 5, 3)])
def test_batch_statistics_are_those_of_the_formula_for_every_rank(shape):
    x = torch.randn(shape) * 3 + 1
    layer = layers.BatchNormalization()
    y = layer(x)
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.mean(axes), x.var(axes, correction=0)
    torch.testing.assert_close(y, (x - mean) / (variance + 1e-3).sqrt(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.running_mean, 0.01 * mean)
    torch.testing.assert_close(layer.running_var, 0.99 + 0.01 * variance)


def test_the_moving_averages_stay_exact_over_many_batches():
    layer = layers.BatchNormalization(momentum=0.9)
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    torch.manual_seed(0)
    for _ in range(300):
        x = torch.randn(7, 3)
        layer(x)
        mean = 0.9 * mean + 0.1 * x.double().mean(0)
        variance = 0.9 * variance + 0.1 * x.double().var(0, correction=0)
    torch.testing.assert_close(layer.running_mean.double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.running_var.double(), variance, rtol=1e-5, atol=1e-6)


def test_a_batch_of_one_value_gives_the_offset_and_moves_the_averages():
    layer = layers.BatchNormalization(beta_initializer="ones")
    y = layer(torch.tensor([[5.0, -2.0]]))
    torch.testing.assert_close(y.detach(), torch.ones(1, 2), rtol=0, atol=1e-4)
    torch.testing.assert_close(layer.running_mean, torch.tensor([0.05, -0.02]))
    torch.testing.assert_close(layer.running_var, torch.tensor([0.99, 0.99]))


def test_an_empty_batch_changes_nothing():
    layer = layers.BatchNormalization()
    assert layer(torch.zeros(0, 3)).shape == (0, 3)
    assert layer.running_var.tolist() == [1.0, 1.0, 1.0]


def test_the_layer_can_be_called_several_times_before_the_backward_pass():
    layer = layers.BatchNormalization()
    x = torch.randn(6, 3, requires_grad=True)
    (layer(x) * layer(2 * x)).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(layer.weight.grad).all()


def test_gradients_are_those_of_the_formula():
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    layer = layers.BatchNormalization(dtype="float64")
    assert torch.autograd.gradcheck(layer, (x,))


def test_a_frozen_layer_uses_its_averages_and_leaves_them_alone():
    layer = layers.BatchNormalization(trainable=False)
    x = torch.randn(6, 3) * 4
    y = layer.train()(x)
    torch.testing.assert_close(y, x / (1 + 1e-3) ** 0.5)
    assert layer.running_mean.tolist() == [0.0, 0.0, 0.0]


def test_training_can_be_asked_for_in_the_call():
    layer = layers.BatchNormalization()
    x = torch.randn(6, 3) * 4
    layer.eval()(x, training=True)
    assert layer.running_mean.abs().sum() > 0
    before = layer.running_mean.clone()
    layer.train()(x, training=False)
    assert torch.equal(layer.running_mean, before)


def test_channels_can_be_on_another_axis():
    x = torch.randn(4, 3, 5, 6)
    first, last = layers.BatchNormalization(axis=1), layers.BatchNormalization()
    torch.testing.assert_close(first(x), last(x.movedim(1, -1)).movedim(-1, 1))
    middle = layers.BatchNormalization(axis=2)
    torch.testing.assert_close(middle(x), last_of(x, 2))


def last_of(x, axis):
    """Return the batch normalization over `axis`, through the last one."""
    return layers.BatchNormalization()(x.movedim(axis, -1)).movedim(-1, axis)


def test_images_in_channels_last_memory_are_not_copied():
    x = torch.randn(2, 5, 6, 3)
    assert layers.BatchNormalization()(x).is_contiguous()


@pytest.mark.parametrize("axis", [1, -2, [1], [1, 2], [1, 3]])
def test_layer_normalization_over_any_axes_is_the_formula(axis):
    x = torch.randn(2, 5, 6, 3)
    y = layers.LayerNormalization(axis=axis)(x)
    axes = [axis] if isinstance(axis, int) else axis
    mean = x.mean(axes, keepdim=True)
    variance = x.var(axes, correction=0, keepdim=True)
    torch.testing.assert_close(y, (x - mean) / (variance + 1e-3).sqrt(), rtol=1e-4, atol=1e-5)


def test_layer_normalization_scales_along_its_own_axes():
    layer = layers.LayerNormalization(axis=1)
    x = torch.randn(2, 3, 4)
    plain = layer(x).detach()
    layer.set_weights([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    expected = plain * torch.tensor([1.0, 2.0, 3.0])[:, None] + torch.tensor([0.0, 0, 1])[:, None]
    torch.testing.assert_close(layer(x), expected)


def test_layer_normalization_of_the_last_axis_takes_any_rank():
    layer = layers.LayerNormalization()
    layer(torch.randn(2, 5, 3))
    assert layer(torch.randn(4, 3)).shape == (4, 3)


@pytest.mark.parametrize("arguments", [{"groups": 2}, {"groups": -1, "scale": False}])
def test_group_normalization_trains_as_the_first_layer_of_a_model(arguments):
    """Torch's own operation ends the process, or finds no device, where the input needs no grad."""
    layer = layers.GroupNormalization(**arguments)
    x, weights = torch.randn(2, 7, 6, 4), torch.randn(2, 7, 6, 4)
    (layer(x) * weights).sum().backward()
    found = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    (layer(x.clone().requires_grad_()) * weights).sum().backward()
    expected = [parameter.grad for parameter in layer.parameters()]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    y = layer(x)
    torch.testing.assert_close(y.mean((1, 2)).mean(), torch.tensor(0.0), atol=1e-5, rtol=0)

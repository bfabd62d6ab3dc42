import copy

import pytest
import torch

from epochal import layers

X = torch.ones(200, 50)


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    y = layers.Dropout(0.3)(X)
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert y.mean().item() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dropout(0.5),
        lambda: layers.GaussianNoise(1.0),
        lambda: layers.SpatialDropout2D(0.5),
    ],
)
def test_they_act_in_training_only_unless_told_otherwise(make):
    x = torch.ones(8, 2, 2, 50)
    layer = make()
    assert not torch.equal(layer(x), x)
    assert layer(x, training=False) is x
    assert layer.eval()(x) is x
    assert not torch.equal(layer(x, training=True), x)


@pytest.mark.parametrize("make", [layers.Dropout, layers.GaussianNoise, layers.SpatialDropout2D])
def test_at_zero_they_return_their_input(make):
    x = torch.ones(2, 2, 2, 2)
    assert make(0.0)(x) is x


def test_everything_can_be_dropped():
    assert not layers.Dropout(1.0)(X).any()
    assert not layers.Dropout(1.0, seed=1)(X).any()


def test_noise_has_its_standard_deviation():
    torch.manual_seed(0)
    noise = layers.GaussianNoise(0.5)(X) - X
    assert noise.std().item() == pytest.approx(0.5, rel=0.05)


def test_a_noise_shape_drops_the_same_values_along_an_axis():
    y = layers.Dropout(0.5, noise_shape=(None, 1, None))(torch.ones(6, 5, 7))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert 0 < (y == 0).sum() < y.numel()


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_spatial_dropout_drops_whole_channels(data_format):
    torch.manual_seed(0)
    y = layers.SpatialDropout2D(0.5, data_format)(torch.ones(4, 6, 6, 6))
    y = y if data_format == "channels_last" else y.movedim(1, -1)
    sums = y.sum((1, 2))
    assert set(sums.flatten().tolist()) == {0.0, 72.0}


@pytest.mark.parametrize("make", [layers.Dropout, layers.GaussianNoise])
def test_a_seed_of_its_own_makes_a_sequence_of_its_own(make):
    before = torch.get_rng_state()
    one, other = make(0.5, seed=4), make(0.5, seed=4)
    first = one(X)
    assert torch.equal(first, other(X))
    assert not torch.equal(first, one(X))
    assert torch.equal(torch.get_rng_state(), before)


def test_torchs_seed_fixes_what_has_no_seed_of_its_own():
    layer = layers.Dropout(0.5)
    torch.manual_seed(1)
    first = layer(X)
    torch.manual_seed(1)
    assert torch.equal(layer(X), first)


def test_a_copy_goes_on_where_the_layer_was():
    layer = layers.Dropout(0.5, seed=4)
    layer(X)
    again = copy.deepcopy(layer)
    assert torch.equal(layer(X), again(X))


def test_inferring_a_shape_draws_nothing():
    layer = layers.Dropout(0.5, seed=4)
    layer(X)
    state = layer.generator.get_state()
    layer.compute_output_shape((None, 50))
    assert torch.equal(layer.generator.get_state(), state)

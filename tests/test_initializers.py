import math

import numpy as np
import pytest
import torch

from epochal import initializers
from epochal.core.errors import UsageError, UsageTypeError

# fan-in 3 * 3 * 20 = 180, fan-out 3 * 3 * 50 = 450
CONVOLUTION = (3, 3, 20, 50)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 630),
        ("glorot_normal", 2 / 630),
        ("he_uniform", 2 / 180),
        ("he_normal", 2 / 180),
        ("lecun_uniform", 1 / 180),
        ("lecun_normal", 1 / 180),
        ("random_normal", 0.05**2),
        ("random_uniform", 0.1**2 / 12),
        # A normal cut off at two standard deviations keeps 0.774 of its variance.
        ("truncated_normal", 0.05**2 * 0.87962566103423978**2),
    ],
)
def test_values_have_the_variance_that_keras_gives_them(name, variance):
    torch.manual_seed(0)
    values = initializers.get(name)(CONVOLUTION)
    # 9000 values: the standard error of a variance is about 1.5 %.
    assert values.var().item() == pytest.approx(variance, rel=0.05)
    assert abs(values.mean().item()) < 0.05 * math.sqrt(variance)


def test_a_uniform_initializer_stays_within_its_bounds_and_reaches_them():
    values = initializers.GlorotUniform(seed=1)((200, 100))
    limit = math.sqrt(6 / 300)
    assert 0.999 * limit < values.abs().max().item() <= limit


def test_a_truncated_normal_has_nothing_beyond_two_standard_deviations():
    values = initializers.TruncatedNormal(1.0, 0.5, seed=1)((100, 100))
    assert 0.99 < (values - 1).abs().max().item() <= 1.0


@pytest.mark.parametrize(("mode", "count"), [("fan_in", 10), ("fan_out", 40), ("fan_avg", 25)])
def test_variance_scaling_counts_what_its_mode_says(mode, count):
    make = initializers.VarianceScaling(2.0, mode, "untruncated_normal", seed=3)
    assert make((10, 40)).var().item() == pytest.approx(2.0 / count, rel=0.2)


def test_vectors_and_single_numbers_have_fans_too():
    assert initializers.VarianceScaling(distribution="uniform", seed=1)((3,)).abs().max() <= 1.0
    assert initializers.VarianceScaling(distribution="normal", seed=1)(()).shape == ()


def test_torchs_seed_fixes_the_values():
    torch.manual_seed(5)
    first = initializers.get("he_normal")((4, 4))
    torch.manual_seed(5)
    assert torch.equal(initializers.get("he_normal")((4, 4)), first)


@pytest.mark.parametrize(
    "kind",
    [
        initializers.RandomNormal,
        initializers.RandomUniform,
        initializers.TruncatedNormal,
        initializers.VarianceScaling,
        initializers.GlorotUniform,
        initializers.Orthogonal,
    ],
)
def test_a_seed_of_its_own_repeats_the_values_and_leaves_torchs_generator_alone(kind):
    before = torch.get_rng_state()
    make = kind(seed=7)
    assert torch.equal(make((4, 4)), make((4, 4)))
    assert torch.equal(torch.get_rng_state(), before)


def test_drawing_on_the_meta_device_uses_no_random_number():
    before = torch.get_rng_state()
    values = initializers.get("he_normal")((4, 4), device="meta")
    assert values.is_meta
    assert values.shape == (4, 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_orthogonal_kernel_is_one_seen_as_a_matrix():
    wide = initializers.Orthogonal(gain=2.0, seed=1)((3, 12))
    torch.testing.assert_close(wide @ wide.T, 4 * torch.eye(3), atol=1e-5, rtol=0)
    filters = initializers.Orthogonal(seed=1)((2, 2, 3, 5)).reshape(12, 5)
    torch.testing.assert_close(filters.T @ filters, torch.eye(5), atol=1e-5, rtol=0)


def test_an_array_of_values_is_taken_as_it_is():
    table = np.arange(6).reshape(2, 3)
    make = initializers.Constant(table)
    assert torch.equal(make((2, 3)), torch.arange(6.0).reshape(2, 3))
    again = initializers.deserialize(initializers.serialize(make))
    assert torch.equal(again((2, 3)), make((2, 3)))


@pytest.mark.parametrize(
    "name",
    [
        "zeros",
        "ones",
        "constant",
        "random_normal",
        "random_uniform",
        "truncated_normal",
        "variance_scaling",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "orthogonal",
        "identity",
        "uniform",
        "normal",
        "zero",
        "one",
        "GlorotUniform",
        "OrthogonalInitializer",
    ],
)
def test_every_name_is_found_and_survives_its_config(name):
    make = initializers.get(name)
    again = initializers.get(initializers.serialize(make))
    assert type(again) is type(make)
    assert again.get_config() == make.get_config()


def test_a_config_written_by_keras_is_read():
    config = {
        "module": "keras.initializers",
        "class_name": "HeNormal",
        "config": {"seed": 3, "input_axes": None, "output_axes": None},
        "registered_name": None,
    }
    assert initializers.get(config).seed == 3


def test_any_function_of_a_shape_is_an_initializer():
    def counting(shape, dtype=None):
        return np.arange(np.prod(shape)).reshape(shape)

    values = initializers.draw(
        initializers.get(counting), (2, 2), torch.float32, torch.device("cpu")
    )
    assert values.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert values.dtype == torch.float32


def test_nothing_a_class_and_an_instance_are_taken_as_they_are():
    assert initializers.get(None) is None
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    make = initializers.Ones()
    assert initializers.get(make) is make


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: initializers.get("he_norml"), "did you mean 'he_normal'"),
        (lambda: initializers.get(3), "expected the name of an initializer"),
        (lambda: initializers.GlorotUniform(sed=1), "^GlorotUniform: .* did you mean 'seed'"),
        (lambda: initializers.Zeros(seed=1), "unknown argument 'seed'"),
        (lambda: initializers.VarianceScaling(scale=0), "expected a positive number"),
        (lambda: initializers.VarianceScaling(mode="fan"), "expected one of"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "expected one of"),
        (lambda: initializers.Orthogonal()((3,)), "two axes or more"),
        (lambda: initializers.Identity()((3, 3, 3)), "expected two axes"),
    ],
)
def test_what_cannot_work_is_one_clear_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_an_unknown_argument_is_a_type_error_too():
    with pytest.raises(UsageTypeError):
        initializers.RandomNormal(std=1.0)


def test_an_initializer_without_fill_says_what_to_write():
    with pytest.raises(NotImplementedError, match="fill"):
        initializers.Initializer()((2,))

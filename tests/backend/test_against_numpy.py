"""Every function gives what NumPy gives, for tensors, arrays and lists alike."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from epochal import backend as K
from epochal import ops

rng = np.random.default_rng(0)
FLOATS = [rng.normal(size=shape).astype("float32") for shape in [(), (5,), (3, 4), (2, 3, 4)]]
INTEGERS = [rng.integers(-4, 5, size=shape) for shape in [(), (5,), (3, 4), (2, 3, 4)]]


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


ONE = {
    "abs": np.abs,
    "sign": np.sign,
    "square": np.square,
    "exp": np.exp,
    "round": np.round,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
    "flatten": np.ravel,
    "transpose": np.transpose,
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
    "squeeze": np.squeeze,
}
POSITIVE = {"sqrt": np.sqrt, "log": np.log, "log1p": np.log1p}
TWO = {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}
OVER_AXES = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
    "var": np.var,
    "std": np.std,
}
ALONG_AXIS = {"argmax": np.argmax, "argmin": np.argmin, "cumsum": np.cumsum}


def same(got, expected):
    """Compare numbers to float32's last digits; types to NumPy's, fractions being float32."""
    assert isinstance(got, torch.Tensor)
    expected = np.asarray(expected)
    kind = "f" if expected.dtype.kind == "f" else expected.dtype.kind
    assert got.numpy().dtype.kind == kind
    if kind == "f":
        assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), expected, rtol=2e-6, atol=1e-6, strict=False)
    assert got.shape == expected.shape


@pytest.mark.parametrize("x", FLOATS + INTEGERS, ids=lambda x: f"{x.dtype}{x.shape}")
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_array(name, x):
    function = getattr(K, name)
    same(function(x), ONE[name](x))
    same(function(torch.from_numpy(x.copy()) if x.ndim else torch.tensor(x)), ONE[name](x))
    same(function(x.tolist()), ONE[name](x))


@pytest.mark.parametrize("x", FLOATS, ids=lambda x: str(x.shape))
@pytest.mark.parametrize("name", POSITIVE)
def test_functions_of_positive_numbers(name, x):
    same(getattr(K, name)(np.abs(x)), POSITIVE[name](np.abs(x)))
    same(getattr(K, name)(3), POSITIVE[name](np.float32(3)))


@pytest.mark.parametrize("x", FLOATS + INTEGERS, ids=lambda x: f"{x.dtype}{x.shape}")
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_arrays_broadcast(name, x):
    function, reference = getattr(K, name), TWO[name]
    other = np.roll(x, 1)
    same(function(x, other), reference(x, other))
    same(function(x, 0), reference(x, 0))
    same(function(1, x), reference(1, x))
    if x.ndim > 1:
        same(function(x, x[:, :1]), reference(x, x[:, :1]))


@pytest.mark.parametrize("x", FLOATS + INTEGERS, ids=lambda x: f"{x.dtype}{x.shape}")
@pytest.mark.parametrize("name", OVER_AXES)
def test_reductions_over_every_choice_of_axes(name, x):
    function, reference = getattr(K, name), OVER_AXES[name]
    choices = [None, *range(-x.ndim, x.ndim)]
    if x.ndim > 1:
        choices += [(0, 1), (0, -1)]
    for axis in choices:
        for keepdims in (False, True):
            same(function(x, axis, keepdims), reference(x, axis=axis, keepdims=keepdims))
    if x.ndim > 1:
        same(function(x, axis=[0, 1]), reference(x, axis=(0, 1)))


@pytest.mark.parametrize("x", FLOATS[1:] + INTEGERS[1:], ids=lambda x: f"{x.dtype}{x.shape}")
@pytest.mark.parametrize("name", ALONG_AXIS)
def test_functions_along_one_axis(name, x):
    for axis in (None, *range(-x.ndim, x.ndim)):
        same(getattr(K, name)(x, axis=axis), ALONG_AXIS[name](x, axis=axis))
        same(getattr(ops, name)(x, axis=axis), ALONG_AXIS[name](x, axis=axis))
    same(getattr(ops, name)(x), ALONG_AXIS[name](x))


@pytest.mark.parametrize("x", FLOATS[1:] + INTEGERS[1:], ids=lambda x: f"{x.dtype}{x.shape}")
def test_orders(x):
    for axis in range(-x.ndim, x.ndim):
        same(K.sort(x, axis=axis), np.sort(x, axis=axis))
        same(K.argsort(x, axis=axis), np.argsort(x, axis=axis, kind="stable"))
    values, indices = K.top_k(x, k=2)
    same(values, -np.sort(-x, axis=-1)[..., :2])
    same(values, np.take_along_axis(x, indices.numpy(), axis=-1))


@pytest.mark.parametrize("x", FLOATS[1:], ids=lambda x: str(x.shape))
def test_softmax_along_every_axis(x):
    for axis in range(-x.ndim, x.ndim):
        same(K.softmax(x, axis=axis), softmax(x, axis))
    same(K.softmax([1, 2]), softmax(np.array([1, 2], "float32")))


@pytest.mark.parametrize("a", FLOATS[1:], ids=lambda x: str(x.shape))
def test_products_of_matrices(a):
    b = rng.normal(size=(a.shape[-1], 2)).astype("float32")
    same(K.matmul(a, b), np.matmul(a, b))
    same(K.dot(a, b), np.dot(a, b))
    same(K.dot(a, b[:, 0]), np.dot(a, b[:, 0]))
    same(K.dot(a, 2.0), a * 2)
    same(K.dot(3.0, a), a * 3)
    same(
        K.matmul(np.ones((2, 5), int), rng.normal(size=(5, 2)).astype("float32")).sum() * 0,
        np.float32(0),
    )


def test_dot_of_many_axes_is_numpys():
    a, b = (rng.normal(size=shape).astype("float32") for shape in [(2, 3, 4), (5, 4, 6)])
    same(K.dot(a, b), np.dot(a, b))


@pytest.mark.parametrize("x", FLOATS[1:] + INTEGERS[1:], ids=lambda x: f"{x.dtype}{x.shape}")
def test_arranging(x):
    for axis in range(-x.ndim, x.ndim):
        same(K.concatenate([x, x], axis=axis), np.concatenate([x, x], axis=axis))
        same(K.stack([x, x], axis=axis), np.stack([x, x], axis=axis))
        same(K.expand_dims(x, axis=axis), np.expand_dims(x, axis))
        same(K.squeeze(K.expand_dims(x, axis=axis), axis=axis), x)
        same(K.repeat(x, 3, axis=axis), np.repeat(x, 3, axis=axis))
        same(K.take(x, [0, -1, 1], axis=axis), np.take(x, [0, -1, 1], axis=axis))
    same(K.expand_dims(x), x[..., None])
    same(K.concatenate([x, x]), np.concatenate([x, x], axis=-1))
    same(ops.concatenate([x, x]), np.concatenate([x, x]))
    same(K.repeat(x, 2), np.repeat(x, 2))
    same(K.take(x, [[0, 3], [-1, 2]]), np.take(x, [[0, 3], [-1, 2]]))
    same(K.tile(x, 2), np.tile(x, 2))
    same(K.tile(x, (2, 1, 1, 3)), np.tile(x, (2, 1, 1, 3)))
    same(K.reshape(x, (-1, 1)), x.reshape(-1, 1))
    same(K.reshape(x, -1), x.reshape(-1))
    same(K.batch_flatten(x), x.reshape(len(x), -1))
    order = tuple(np.roll(range(x.ndim), 1))
    same(K.transpose(x, order), np.transpose(x, order))
    assert K.shape(x) == K.int_shape(x) == x.shape
    assert K.ndim(x) == x.ndim
    assert K.size(x) == x.size


def test_repeat_takes_a_count_for_each_entry():
    same(K.repeat([[1, 2], [3, 4]], [1, 2], axis=0), [[1, 2], [3, 4], [3, 4]])


def test_a_batch_without_rows_can_be_flattened():
    assert K.batch_flatten(np.zeros((0, 2, 3))).shape == (0, 6)


@pytest.mark.parametrize(
    "arguments", [(4,), (1, 5), (0, 1, 0.25), (5, 0, -2), (2.5,)], ids=lambda a: str(a)
)
def test_arange(arguments):
    expected = np.arange(*arguments)
    same(
        K.arange(*arguments), expected.astype("float32") if expected.dtype.kind == "f" else expected
    )


def test_new_tensors_have_the_asked_shape_and_type():
    same(K.zeros((2, 3)), np.zeros((2, 3), "float32"))
    same(K.ones(2), np.ones(2, "float32"))
    same(K.ones((2,), dtype="int32"), np.ones(2, "int32"))
    assert K.zeros_like([1.5], dtype="int64").dtype == torch.int64
    assert K.ones_like([1], dtype="float64").dtype == torch.float64
    assert K.arange(3, dtype="float16").dtype == torch.float16


def test_one_hot_has_a_row_of_zeros_for_what_is_no_class():
    same(
        K.one_hot([[0, 2], [3, -1]], 3),
        np.array([[[1, 0, 0], [0, 0, 1]], [[0] * 3] * 2], "float32"),
    )


def test_clip_takes_numbers_and_arrays():
    x = FLOATS[2]
    same(K.clip(x, -0.5, 0.5), np.clip(x, -0.5, 0.5))
    same(K.clip(x, x - 1, max_value=0), np.clip(x, x - 1, 0))
    same(K.clip([0, 5], 1, 2), [1, 2])


def test_round_takes_digits():
    same(K.round([1.25, 0.12], 1), np.array([1.2, 0.1], "float32"))
    same(K.round([12, 3], 2), [12, 3])


def test_power_takes_numbers_on_either_side():
    same(K.power(FLOATS[2], 2), FLOATS[2] ** 2)
    same(K.power(2, INTEGERS[1] + 4), 2 ** (INTEGERS[1] + 4))
    same(K.power(2.0, FLOATS[1]), 2.0 ** FLOATS[1])


def test_where_chooses_and_with_the_condition_alone_finds():
    x = FLOATS[2]
    same(K.where(x > 0, x, 0), np.where(x > 0, x, np.float32(0)))
    same(K.where([0, 2], [1, 2], [3, 4]), [3, 2])
    for got, expected in zip(K.where(x > 0), np.where(x > 0), strict=True):
        same(got, expected)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(
        st.sampled_from(["float64", "float32", "int64", "int32", "uint8", "bool"]),
        hnp.array_shapes(max_dims=3, max_side=4),
        elements=None,
        fill=None,
    )
)
def test_any_array_becomes_a_tensor_of_equal_numbers_and_back(x):
    with np.errstate(over="ignore"):
        back = K.convert_to_numpy(K.convert_to_tensor(x))
        expected = x.astype("float32") if x.dtype == "float64" else x
    assert back.dtype == expected.dtype
    np.testing.assert_array_equal(back, expected)

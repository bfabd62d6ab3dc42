"""Means of numbers and of functions."""

import functools
import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.core.errors import UsageError, UsageTypeError
from epochal.losses import MeanSquaredError as MeanSquaredErrorLoss
from epochal.metrics import Mean, MeanAbsoluteError, MeanMetricWrapper, MeanSquaredError, get

Rows = st.lists(st.tuples(st.floats(-100, 100, width=32), st.floats(0, 4, width=16)), min_size=1)


@settings(deadline=None, max_examples=50)
@given(batches=st.lists(Rows, min_size=1, max_size=6))
def test_a_mean_is_the_weighted_mean_of_everything(batches: list[Any]) -> None:
    mean = Mean()
    for batch in batches:
        values, weights = zip(*batch, strict=True)
        mean.update_state(list(values), list(weights))
    rows = [row for batch in batches for row in batch]
    total = math.fsum(weight for _, weight in rows)
    want = math.fsum(v * w for v, w in rows) / total if total else 0.0
    assert float(mean.result()) == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_nothing_taken_in_is_zero() -> None:
    assert float(Mean().result()) == 0.0
    assert float(Mean()([])) == 0.0


def test_nan_is_not_hidden() -> None:
    assert math.isnan(float(Mean()([1.0, float("nan")])))


def test_whole_numbers_and_truths_are_averaged_with_and_without_weights() -> None:
    assert float(Mean()(torch.tensor([[1, 2], [3, 4]]), [1.0, 1.0])) == 2.5
    assert float(Mean()(torch.tensor([True, False]))) == 0.5
    assert float(Mean()(np.array([[True, False]]), [2])) == 0.5


def test_each_sample_counts_once_whatever_its_length() -> None:
    mean = Mean()
    mean.update_state(torch.ones(1, 10))
    mean.update_state(torch.zeros(1, 2))
    assert float(mean.result()) == 0.5


def test_counting_goes_beyond_the_whole_numbers_of_float32() -> None:
    mean = Mean()
    mean.count.assign(2.0**24)
    mean.total.assign(2.0**24)
    mean.update_state(1.0)
    assert float(mean.count) == 2**24 + 1


@pytest.mark.parametrize("weight", [[1.0, 2.0, 3.0], torch.ones(2, 2, 2), torch.ones(3, 1)])
def test_weights_that_do_not_fit_are_refused(weight: Any) -> None:
    with pytest.raises(UsageError, match=r"sample_weight has the shape .* \(2,\)"):
        Mean()(torch.ones(2, 2), weight)


def test_weights_may_be_a_column() -> None:
    assert float(Mean()([1.0, 3.0], [[1.0], [3.0]])) == 2.5


def test_weights_for_a_single_number_are_refused() -> None:
    with pytest.raises(UsageError, match="sample_weight"):
        Mean()(1.0, [1.0, 2.0])


def share(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred).abs().mean()


def per_sample(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred).abs().reshape(-1)


def by_numpy(y_true: Any, y_pred: Any) -> Any:
    return np.mean(np.abs(y_true.numpy() - y_pred.numpy()))


def by_sklearn(y_true: Any, y_pred: Any) -> Any:
    from sklearn.metrics import mean_absolute_error

    return mean_absolute_error(y_true, y_pred)


def python_number(y_true: Any, y_pred: Any) -> float:
    return float((y_true - y_pred).abs().mean())


def list_of_numbers(y_true: Any, y_pred: Any) -> list[float]:
    return list(per_sample(y_true, y_pred).tolist())


FUNCTIONS = [share, per_sample, by_numpy, by_sklearn, python_number, list_of_numbers]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_may_return_one_number_or_one_per_sample_from_anything(function: Any) -> None:
    metric, generator = get(function), torch.Generator().manual_seed(0)
    batches = [torch.rand(2, size, 1, generator=generator) for size in (5, 2, 9)]
    for y_true, y_pred in batches:
        metric.update_state(y_true, y_pred)
    want = float((torch.cat([b[0] - b[1] for b in batches])).abs().mean())
    assert float(metric.result()) == pytest.approx(want, rel=1e-6)
    assert metric.name == function.__name__


def test_one_number_for_a_batch_stands_for_each_of_its_samples_weights() -> None:
    metric = get(share)
    metric.update_state(torch.zeros(2), torch.full((2,), 3.0), [1.0, 0.0])
    metric.update_state(torch.zeros(2), torch.full((2,), 1.0), [1.0, 2.0])
    assert float(metric.result()) == 1.5


def test_further_arguments_reach_the_function() -> None:
    def within(y_true: Any, y_pred: Any, distance: float = 1.0) -> Any:
        return (y_true - y_pred).abs() <= distance

    assert float(MeanMetricWrapper(within, distance=3.0)([0.0, 0.0], [2.0, 4.0])) == 0.5
    with pytest.raises(UsageTypeError, match="did you mean 'distance'"):
        MeanMetricWrapper(within, distanse=3.0)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda y: y, r"lambda\(y\) cannot be a metric, which is called with \(y_true, y_pred\)"),
        (lambda y_true, y_pred, k: y_true, "missing a required argument: 'k'"),
        (lambda y_pred, y_true: y_true, "takes the outputs first"),
        (torch.nn.functional.binary_cross_entropy, "takes the outputs first"),
    ],
)
def test_functions_that_cannot_be_called_are_refused_before_the_first_batch(
    function: Any, text: str
) -> None:
    with pytest.raises(UsageTypeError, match=text):
        get(function)


def test_functions_that_do_not_tell_their_arguments_are_taken() -> None:
    def anything(*arguments: Any, **keywords: Any) -> float:
        return float(keywords["k"])

    assert float(MeanMetricWrapper(anything, k=2)([1.0], [1.0])) == 2.0
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(max)
    assert MeanMetricWrapper(max).name == "max"


def test_a_function_that_returns_nothing_says_so() -> None:
    def forgot_to_return(y_true: Any, y_pred: Any) -> None:
        y_true.mean()

    with pytest.raises(UsageTypeError, match="'forgot_to_return' returned None; return one number"):
        get(forgot_to_return)([1.0], [1.0])


def test_what_is_no_function_or_no_direction_is_refused() -> None:
    with pytest.raises(UsageError, match="fn is 3"):
        MeanMetricWrapper(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="direction is 'up'"):
        MeanMetricWrapper(share, direction="up")
    assert MeanMetricWrapper(share, direction="min").direction == "min"
    assert MeanMetricWrapper(share).direction is None


class TopTwo:
    """A callable object."""

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        return y_true


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (share, "share"),
        (lambda y_true, y_pred: y_true, "lambda"),
        (functools.partial(share), "partial"),
        (TopTwo(), "top_two"),
        (MeanSquaredErrorLoss(name="my_loss"), "my_loss"),
    ],
)
def test_functions_are_named_as_in_keras(function: Any, name: str) -> None:
    assert get(function).name == name


@pytest.mark.parametrize("kind", [MeanSquaredError, MeanAbsoluteError])
def test_errors_of_single_numbers_are_weighted_one_by_one(kind: Any) -> None:
    y_true, y_pred, weights = [0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [1.0, 0.0, 1.0]
    want = 5.0 if kind is MeanSquaredError else 2.0
    for shape in ((3,), (3, 1)):
        y = torch.tensor(y_pred).reshape(shape)
        assert float(kind()(y_true, y, weights)) == want


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(UsageError, match="y_true has shape"):
        MeanSquaredError()(torch.zeros(4), torch.zeros(4, 4))


@pytest.mark.parametrize("shape", [(200_000,), (200_000, 1), (40_000, 5), (1000, 10, 20)])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_large_batch_taken_in_by_blocks_is_what_float64_gives(
    shape: tuple[int, ...], weighted: bool
) -> None:
    rng = torch.Generator().manual_seed(7)
    y, p = (torch.randn(shape, generator=rng) for _ in range(2))
    weight = torch.rand(shape[0], generator=rng) if weighted else None
    metric = MeanAbsoluteError()
    metric.update_state(y, p, weight)
    each = (y - p).abs().double().reshape(shape[0], -1).mean(1).numpy()
    want = np.average(each, weights=None if weight is None else weight.double().numpy())
    assert float(metric.result()) == pytest.approx(want, rel=1e-7)
    assert float(metric.count.value) == pytest.approx(
        shape[0] if weight is None else float(weight.double().sum()), rel=1e-12
    )


def test_a_large_batch_of_rows_that_do_not_fit_has_the_error_of_a_small_one() -> None:
    p = torch.zeros(200_000, 1)
    with pytest.raises(UsageError, match="y_true has shape"):
        MeanAbsoluteError().update_state(torch.zeros(199_999, 1), p)
    with pytest.raises(UsageError, match="sample_weight has the shape"):
        MeanAbsoluteError().update_state(p, p, torch.ones(199_999))
    one_for_all = MeanAbsoluteError()
    one_for_all.update_state(p, p + 1, torch.tensor([0.5]))
    assert float(one_for_all.count.value) == 100_000

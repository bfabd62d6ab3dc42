"""What holds for every metric of errors, directions, classes and overlaps."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import epochal
from epochal import metrics
from epochal.core.errors import UsageError
from epochal.layers import Dense
from epochal.metrics import Metric

ENTRIES: dict[str, dict[str, Any]] = {  # (N, 3) against (N, 3)
    "RootMeanSquaredError": {},
    "MeanAbsolutePercentageError": {},
    "MeanSquaredLogarithmicError": {},
    "LogCoshError": {},
    "CosineSimilarity": {},
    "PearsonCorrelation": {},
    "ConcordanceCorrelation": {},
    "R2Score": {"class_aggregation": "variance_weighted_average", "num_regressors": 2},
    "Hinge": {},
    "SquaredHinge": {},
    "CategoricalHinge": {},
    "KLDivergence": {},
    "Poisson": {},
    "BinaryCrossentropy": {"label_smoothing": 0.1},
    "CategoricalCrossentropy": {"label_smoothing": 0.1},
    "FBetaScore": {"beta": 2, "average": "samples"},
    "F1Score": {"average": "weighted", "threshold": 0.4},
    "MedianAbsoluteError": {},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [2, 0]},
    "OneHotMeanIoU": {"num_classes": 3},
}
CLASSES: dict[str, dict[str, Any]] = {  # (N,) class numbers against (N, 3) scores
    "SparseCategoricalCrossentropy": {"ignore_class": 1},
    "MacroAccuracy": {},
    "MatthewsCorrelation": {},
    "CohenKappa": {"weighting": "linear"},
    "ConfusionMatrix": {"normalize": "true", "class_names": ["a", "b", "c"]},
    "IoU": {"num_classes": 3, "target_class_ids": (1,), "sparse_y_pred": False},
    "MeanIoU": {"num_classes": 3, "sparse_y_pred": False, "ignore_class": 2},
}
KINDS = {**ENTRIES, **CLASSES}


def made(name: str) -> Metric:
    metric: Metric = getattr(metrics, name)(**KINDS[name])
    return metric


def data(name: str, rows: int = 24, seed: int = 0) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 3, rows))
    scores = torch.from_numpy(rng.uniform(0.05, 1, (rows, 3))).float()
    weight = torch.from_numpy(rng.integers(0, 9, rows) / 4)
    return labels if name in CLASSES else torch.eye(3)[labels], scores, weight


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16), parts=st.integers(1, 4), weighted=st.booleans())
def test_merged_parts_and_cut_batches_give_the_value_of_the_whole(
    name: str, seed: int, parts: int, weighted: bool
) -> None:
    *arrays, weight = data(name, seed=seed)
    rows = [*arrays, weight] if weighted else arrays
    whole, cut = made(name), made(name)
    whole.update_state(*rows)
    where = torch.from_numpy(np.random.default_rng(seed).integers(0, parts, 24))
    pieces = [made(name) for _ in range(parts)]
    for number, piece in enumerate(pieces):
        if (where == number).any():
            piece.update_state(*(row[where == number] for row in rows))
            cut.update_state(*(row[where == number] for row in rows))
    pieces[0].merge_state(pieces[1:])
    for metric in (cut, pieces[0]):
        torch.testing.assert_close(metric.result(), whole.result(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", KINDS)
def test_a_weight_of_zero_is_as_if_the_sample_were_not_there(name: str) -> None:
    y_true, y_pred, weight = data(name)
    weight = (weight > 1).double()
    some, all_of_them = made(name), made(name)
    some.update_state(y_true[weight > 0], y_pred[weight > 0])
    all_of_them.update_state(y_true, y_pred, weight)
    torch.testing.assert_close(some.result(), all_of_them.result(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", KINDS)
def test_a_reset_a_restart_and_a_configuration_bring_the_value_back(name: str) -> None:
    rows = data(name)
    metric = made(name)
    metric.update_state(*data(name, seed=1))
    metric.reset_state()
    metric.update_state(*rows)
    fresh = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    fresh.update_state(*rows)
    torch.testing.assert_close(fresh.result(), metric.result(), rtol=0, atol=0)
    restarted = made(name)
    restarted.load_state_dict(metric.state_dict())
    torch.testing.assert_close(restarted.result(), metric.result(), rtol=0, atol=0)
    state = metric.snapshot()
    metric.update_state(*data(name, seed=2))
    metric.restore(state)
    torch.testing.assert_close(fresh.result(), metric.result(), rtol=0, atol=0)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_taken_in_gives_zero(name: str) -> None:
    result = made(name).result()
    if name == "R2Score":  # adjusted for two inputs
        assert torch.isnan(result)
    else:
        assert not torch.as_tensor(result).any()


@pytest.mark.parametrize("name", KINDS)
def test_an_update_never_asks_the_device(name: str) -> None:
    # Tensors of this device have no values: whoever asks for one gets an error.
    metric = made(name)
    metric.update_state(*(row.to("meta") for row in data(name)))
    assert {weight.value.device.type for weight in metric.variables} == {"meta"}


@pytest.mark.parametrize("name", KINDS)
def test_shapes_that_do_not_fit_are_an_error(name: str) -> None:
    y_true, y_pred, weight = data(name)
    with pytest.raises(UsageError):
        made(name).update_state(y_true, y_pred[:, :2] if name in ENTRIES else y_pred[:5])
    with pytest.raises(UsageError, match="sample_weight has"):
        made(name).update_state(y_true, y_pred, weight[:5])


@pytest.mark.parametrize("targets", [ENTRIES, CLASSES])
def test_all_of_them_together_in_fit_give_what_they_give_alone(targets: dict[str, Any]) -> None:
    first = next(iter(targets))
    y_true, x, _ = data(first, rows=40)
    model = epochal.Sequential([Dense(3, activation="softmax", input_dim=3)])
    model.compile("sgd", "mse" if targets is ENTRIES else "sparse_categorical_crossentropy",
                  metrics=[made(name) for name in targets])  # fmt: skip
    history = model.fit(x, y_true, batch_size=7, validation_data=(x, y_true), verbose=0).history
    outputs = torch.as_tensor(model.predict(x, verbose=0))
    for name in targets:
        alone = made(name)
        alone.update_state(y_true, outputs)
        want = alone.result().tolist()
        found = history[f"val_{alone.name}"][0]
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6, err_msg=name)


def test_batches_of_another_number_of_outputs_are_an_error() -> None:
    for name in ("R2Score", "F1Score", "MedianAbsoluteError", "ConfusionMatrix"):
        metric = getattr(metrics, name)()
        metric.update_state(torch.eye(3), torch.rand(3, 3))
        with pytest.raises(UsageError, match=r"since the first batch|holds rows"):
            metric.update_state(torch.eye(2), torch.rand(2, 2))


@pytest.mark.parametrize("name", ["F1Score", "R2Score"])
def test_many_rows_at_once_are_the_same_as_a_few_at_a_time(name: str) -> None:
    *rows, weight = data(name, rows=40_000)
    for weights in (weight, weight[:, None].expand(-1, 3)):
        whole, cut = getattr(metrics, name)(), getattr(metrics, name)()
        whole.update_state(*rows, weights)
        for start in range(0, 40_000, 7_000):
            cut.update_state(*(row[start : start + 7_000] for row in (*rows, weights)))
        torch.testing.assert_close(cut.result(), whole.result(), rtol=1e-9, atol=0)

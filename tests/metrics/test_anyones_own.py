"""Metrics that are anyone's own: functions of a whole epoch, torchmetrics, dicts of values."""

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support, roc_auc_score
from torch import nn

import epochal
from epochal.callbacks import CSVLogger, EarlyStopping
from epochal.core.errors import UsageError, UsageTypeError
from epochal.metrics import EpochMetric, Metric, TorchMetric

X = torch.randn(70, 4)
Y = torch.randint(3, (70,))


def classifier(**compile_arguments):
    model = epochal.Sequential([epochal.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", **compile_arguments)
    model.predict(X, verbose=0)
    return model


def macro_f1(y_true, y_pred, sample_weight=None):
    return f1_score(y_true, y_pred, average="macro", sample_weight=sample_weight, zero_division=0)


def test_scikit_learns_scores_are_exact_over_the_epoch_and_can_be_watched():
    model = classifier(metrics=[EpochMetric(macro_f1, needs="labels", direction="max")])
    stopping = EarlyStopping("val_macro_f1", patience=5)
    history = model.fit(
        X,
        Y,
        batch_size=8,
        epochs=2,
        verbose=0,
        validation_data=(X, Y),
        validation_batch_size=9,
        callbacks=stopping,
    )
    labels = model.predict(X, verbose=0).argmax(1)
    assert history.history["val_macro_f1"][-1] == macro_f1(Y.numpy(), labels)
    assert stopping.best == max(history.history["val_macro_f1"])


def test_scores_and_weights_reach_the_function_in_weighted_metrics():
    def auc(y_true, y_pred, sample_weight=None):
        return roc_auc_score(y_true, y_pred, sample_weight=sample_weight)

    model = epochal.Sequential([epochal.layers.Dense(1, activation="sigmoid")])
    model.compile(
        "sgd",
        "binary_crossentropy",
        metrics=[EpochMetric(auc)],
        weighted_metrics=[EpochMetric(auc, name="weighted_auc")],
    )
    y, weight = (Y > 0).float(), torch.rand(70)
    values = model.evaluate(X, y, sample_weight=weight, batch_size=16, verbose=0, return_dict=True)
    scores = model.predict(X, verbose=0)[:, 0]
    assert values["auc"] == pytest.approx(roc_auc_score(y, scores))
    assert values["weighted_auc"] == pytest.approx(roc_auc_score(y, scores, sample_weight=weight))


def test_a_dict_of_values_is_logged_value_by_value_and_known_before_training(tmp_path):
    def scores(y_true, y_pred):
        values = precision_recall_fscore_support(y_true, y_pred, average="macro", zero_division=0)
        return dict(zip(("precision", "recall"), values[:2], strict=True))

    metric = EpochMetric(scores, needs="labels", outputs=("precision", "recall"))
    model = classifier(metrics=["acc", metric])
    assert model.metrics_names == ["loss", "acc", "precision", "recall"]
    log = CSVLogger(tmp_path / "log.csv")
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), callbacks=log)
    assert list(history.history)[:4] == model.metrics_names
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == (
        "epoch,loss,acc,precision,recall,val_loss,val_acc,val_precision,val_recall"
    )
    assert len(model.evaluate(X, Y, verbose=0)) == 4


def test_a_metric_class_of_ones_own_may_return_a_dict_too():
    class Range(Metric):
        outputs = ("low", "high")

        def __init__(self):
            super().__init__(name="range")
            self.low = self.add_weight(name="low", initializer=float("inf"))
            self.high = self.add_weight(name="high", initializer=-float("inf"))

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.low.assign(torch.minimum(self.low.value, y_pred.min().double()))
            self.high.assign(torch.maximum(self.high.value, y_pred.max().double()))

        def result(self):
            return {"low": self.low, "high": self.high}

    model = classifier(metrics=[Range()])
    values = model.evaluate(X, Y, batch_size=8, verbose=0, return_dict=True)
    outputs = model.predict(X, verbose=0)
    assert values["low"] == pytest.approx(outputs.min())
    assert values["high"] == pytest.approx(outputs.max())


def test_metrics_of_torchmetrics_are_taken_as_they_are():
    collection = torchmetrics.MetricCollection(
        {
            "precise": torchmetrics.Precision("multiclass", num_classes=3, average="macro"),
            "recalled": torchmetrics.Recall("multiclass", num_classes=3, average="macro"),
        }
    )
    single = torchmetrics.Accuracy("multiclass", num_classes=3)
    model = classifier(metrics=["acc", single, collection])
    history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0, validation_data=(X, Y))
    names = ["loss", "acc", "multiclass_accuracy", "precise", "recalled"]
    assert list(history.history)[:5] == names
    labels = model.predict(X, verbose=0).argmax(1)
    last = {name: history.history[f"val_{name}"][-1] for name in names}
    expected = precision_recall_fscore_support(Y, labels, average="macro", zero_division=0)
    assert last["multiclass_accuracy"] == pytest.approx(last["acc"])
    assert [last["precise"], last["recalled"]] == pytest.approx(expected[:2], abs=1e-6)
    assert EarlyStopping("multiclass_accuracy").monitor
    assert TorchMetric(single).direction == "max"
    regression = epochal.Model(nn.Linear(4, 1))
    regression.compile("sgd", "mse", metrics=["mse", torchmetrics.MeanSquaredError()])
    loss, mse, theirs = regression.evaluate(X, X[:, 0], batch_size=8, verbose=0)
    assert theirs == pytest.approx(mse)
    assert loss == pytest.approx(mse)
    with pytest.raises(UsageTypeError, match="give a torchmetrics"):
        TorchMetric(nn.Linear(1, 1))


def test_evaluate_scores_more_metrics_without_compiling_again():
    model = classifier(metrics=["acc"])
    extra = ["acc", EpochMetric(macro_f1, needs="labels")]
    values = model.evaluate(X, Y, verbose=0, return_dict=True, metrics=extra)
    assert list(values) == ["loss", "acc", "acc_1", "macro_f1"]
    assert values["acc"] == values["acc_1"]
    assert model.metrics_names == ["loss", "acc"]
    assert len(model.evaluate(X, Y, verbose=0)) == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 40), st.booleans())
def test_a_reservoir_is_a_sample_that_batches_and_reading_do_not_change(sizes, limit, reads):
    def rows(y_true, y_pred):
        assert (y_true == y_pred).all()
        return sorted(y_pred.tolist())

    count = sum(sizes)
    values = torch.arange(count).float()
    metric = EpochMetric(rows, max_samples=limit, overflow="reservoir")
    for part in values.split(sizes):
        metric.update_state(part, part)
        if reads:
            metric.result()
    whole = EpochMetric(rows, max_samples=limit, overflow="reservoir")
    whole.update_state(values, values)
    sample = metric.result()
    assert sample == whole.result()
    assert len(set(sample)) == min(limit, count)
    assert set(sample) <= set(values.tolist())


def test_each_row_is_equally_likely_to_be_in_the_reservoir():
    metric = EpochMetric(lambda t, p: p.copy(), max_samples=20_000, overflow="reservoir")
    values = torch.arange(100_000).float()
    metric.update_state(values, values)
    kept = np.histogram(metric.result(), bins=10, range=(0, 100_000))[0]
    # Ten bins of 2,000 expected each, standard deviation about 42.
    assert abs(kept - 2000).max() < 210


def test_its_state_goes_out_and_in_and_resets():
    metric = EpochMetric(lambda t, p: float(p.sum()))
    assert np.isnan(metric.result())
    fresh = EpochMetric(lambda t, p: float(p.sum()))
    fresh.load_state_dict(metric.state_dict())
    metric.update_state([1.0, 2.0], torch.tensor([[1.0], [2.0]]).bfloat16())
    fresh.load_state_dict(metric.state_dict())
    assert fresh.result() == metric.result() == 3.0
    metric.reset_state()
    assert np.isnan(metric.result())
    with pytest.raises(UsageError, match="expected 'seen'"):
        metric.load_state_dict({})
    named = EpochMetric(lambda t, p: {"a": 1.0}, outputs=("a", "b"))
    assert list(named.result()) == ["a", "b"]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: EpochMetric(3), "give a function"),
        (lambda: EpochMetric(max, needs="label"), "did you mean 'labels'"),
        (lambda: EpochMetric(max, overflow="reservior"), "did you mean 'reservoir'"),
        (lambda: EpochMetric(max, direction="up"), "direction"),
        (lambda: EpochMetric(max, max_samples=0), "max_samples is 0"),
        (lambda: EpochMetric(max, max_samples=1)([1, 2], [1.0, 2.0]), "above max_samples=1"),
        (lambda: EpochMetric(max)([1, 2], [1.0]), "as many rows of each"),
        (lambda: EpochMetric(lambda t, p: 1.0, outputs=("a",))([1], [1.0]), "fn returned float"),
        (lambda: EpochMetric(lambda t, p: {"b": 1}, outputs=("a",))([1], [1.0]), "returned .'b'"),
    ],
)
def test_what_cannot_be_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_weights_in_some_batches_only_are_refused():
    metric = EpochMetric(lambda t, p: 1.0)
    metric.update_state([1], [1.0], [1.0])
    with pytest.raises(UsageError, match="others have none"):
        metric.update_state([1], [1.0])


def test_a_function_in_which_every_row_meets_every_other_is_refused():
    model = epochal.Model(nn.Linear(4, 1))
    model.compile("sgd", "mse", metrics=[lambda y_true, y_pred: (y_true - y_pred).abs()])
    with pytest.raises(UsageError, match=r"made 32 x 32 values of targets of shape \(32,\)"):
        model.evaluate(X, X[:, 0], verbose=0)
    assert model.evaluate(X, X[:, :1], verbose=0)[1] > 0


def test_merged_parts_of_an_epoch_are_the_whole():
    def ordered(y_true, y_pred):
        return y_pred.tolist()

    parts = [EpochMetric(ordered) for _ in range(3)]
    for part, values in zip(parts, torch.arange(9.0).split((2, 4, 3)), strict=True):
        part.update_state(values, values)
    parts[0].merge_state(parts[1:])
    assert parts[0].result() == list(range(9))
    with pytest.raises(UsageTypeError, match="expected an EpochMetric"):
        parts[0].merge_state([epochal.metrics.Mean()])
    sampled = EpochMetric(ordered, max_samples=2, overflow="reservoir")
    for _ in range(3):
        sampled.update_state([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(UsageError, match="a sample of 2 of 6 rows"):
        parts[0].merge_state([sampled])

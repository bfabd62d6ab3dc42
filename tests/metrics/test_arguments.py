"""What the other metrics refuse, and where they depart from Keras on purpose."""

import io
import sys
from typing import Any

import pytest
import torch
from rich.console import Console

import epochal
from epochal import metrics
from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers import Dense
from epochal.metrics import (
    BinaryIoU,
    ConfusionMatrix,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    IoU,
    MacroAccuracy,
    MeanIoU,
    MedianAbsoluteError,
    OneHotMeanIoU,
    R2Score,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    Sum,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("FBetaScore", {"average": "makro"}, "did you mean 'macro'"),
        ("FBetaScore", {"beta": 0}, "beta is 0; give a number above 0"),
        ("FBetaScore", {"beta": NAN}, "beta is nan"),
        ("FBetaScore", {"beta": True}, "beta is True"),
        ("F1Score", {"threshold": 1.5}, "F1Score: threshold is 1.5"),
        ("R2Score", {"class_aggregation": "uniform"}, "did you mean 'uniform_average'"),
        ("R2Score", {"num_regressors": -1}, "num_regressors is -1"),
        ("R2Score", {"num_regressors": 1.5}, "num_regressors is 1.5"),
        ("IoU", {"num_classes": 2, "target_class_ids": [2]}, r"is \[2\]; .* from 0 to 1"),
        ("IoU", {"num_classes": 2, "target_class_ids": []}, r"is \[\]; give one or more"),
        ("MeanIoU", {"num_classes": 1}, "MeanIoU: num_classes is 1"),
        ("BinaryIoU", {"threshold": -0.1}, "BinaryIoU: threshold is -0.1"),
        ("BinaryCrossentropy", {"label_smoothing": 2}, "label_smoothing is 2"),
        ("CategoricalCrossentropy", {"label_smoothing": "a"}, "label_smoothing is 'a'"),
        ("SparseCategoricalCrossentropy", {"ignore_class": 0.5}, "ignore_class is 0.5"),
        ("CohenKappa", {"weighting": "square"}, "weighting"),
        ("ConfusionMatrix", {"normalize": "rows"}, "normalize"),
        ("ConfusionMatrix", {"num_classes": 3, "class_names": ["a"]}, "3 classes, but 1 class_"),
        ("MacroAccuracy", {"num_classes": 2.0}, "num_classes is 2.0"),
    ],
)
def test_arguments_that_cannot_be_are_refused(name: str, arguments: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        getattr(metrics, name)(**arguments)


@pytest.mark.parametrize("name", metrics.__all__)
def test_a_misspelt_argument_is_refused(name: str) -> None:
    kind = getattr(metrics, name)
    if isinstance(kind, type) and name not in ("MeanMetricWrapper", "EpochMetric", "TorchMetric"):
        with pytest.raises((UsageTypeError, TypeError)):
            kind(nmae="x")


def test_f_scores_want_a_column_for_each_class() -> None:
    for y_true, y_pred in (
        (torch.zeros(4), torch.zeros(4)),
        (torch.zeros(4), torch.zeros(4, 3)),
        (torch.zeros(4, 2, 3), torch.zeros(4, 2, 3)),
    ):
        with pytest.raises(UsageError, match=r"one shape \(N, C\).*to_categorical"):
            F1Score().update_state(y_true, y_pred)


def test_an_f_score_of_classes_takes_all_of_the_largest_and_none_of_zeros() -> None:
    y_true, y_pred = [[1, 0], [0, 1], [1, 0]], [[0.5, 0.5], [0.0, 0.0], [0.9, 0.1]]
    metric = FBetaScore(beta=1)
    assert metric(y_true, y_pred).tolist() == [1.0, 0.0]
    assert [weight.value.tolist() for weight in metric.variables] == [[2, 0], [0, 1], [0, 1]]


def test_an_f_score_takes_weights_of_entries() -> None:
    metric = F1Score(threshold=0.5)
    weight = [[1.0, 0.0], [3.0, 1.0]]
    assert metric([[1, 1], [1, 1]], [[0.9, 0.1], [0.1, 0.9]], weight).tolist() == [0.4, 1.0]


def test_a_perfect_score_is_one() -> None:
    eye = torch.eye(3)
    assert float(F1Score(average="macro")(eye, eye)) == 1.0
    assert float(MeanIoU(num_classes=2)([0, 1], [0, 1])) == 1.0


def test_overlaps_count_fractions_of_weights() -> None:
    for dtype in (None, "int32", "float32"):
        metric = IoU(num_classes=2, target_class_ids=[0], dtype=dtype)
        result = metric([0, 0, 1, 1], [0, 1, 0, 1], sample_weight=[0.3, 0.3, 0.3, 0.1])
        assert float(result) == pytest.approx(1 / 3)


def test_images_may_have_one_weight_each() -> None:
    y_true, y_pred = torch.tensor([[[0, 1]], [[1, 1]]]), torch.tensor([[[0, 1]], [[0, 0]]])
    assert float(MeanIoU(num_classes=2)(y_true, y_pred, [1.0, 0.0])) == 1.0
    assert float(MeanIoU(num_classes=2)(y_true[..., None], y_pred)) == pytest.approx(1 / 3)


def test_labels_outside_of_the_classes_are_dropped() -> None:
    assert float(MeanIoU(num_classes=2)([0, 1, 2, -1, 0], [0, 1, 0, 1, 7])) == 1.0
    metric = ConfusionMatrix(num_classes=2)
    y_pred = torch.tensor([0.0, NAN, 1.0])
    assert metric([0, 5, 1], y_pred).tolist() == [[1, 0], [0, 1]]


def test_counts_are_exact_beyond_what_float32_can_count() -> None:
    metric = MeanIoU(num_classes=2)
    for weight in (2.0**53 - 2, 1.0, 1.0):
        metric.update_state([1], [1], [weight])
    assert int(metric.matrix.value[1, 1]) == 2**53


def test_scores_and_class_numbers_are_not_mixed_up() -> None:
    with pytest.raises(UsageError, match=r"one score for each along axis -1; got the shape \(4,\)"):
        OneHotMeanIoU(num_classes=3).update_state(torch.zeros(4), torch.rand(4, 3))
    with pytest.raises(UsageError, match=r"give MacroAccuracy\(num_classes=...\)"):
        MacroAccuracy().update_state([0, 1], torch.tensor([1, 1]))
    with pytest.raises(UsageError, match=r"num_classes is 4, but .* scores of 3 classes"):
        MacroAccuracy(num_classes=4).update_state([0, 1], torch.rand(2, 3))
    with pytest.raises(UsageError, match="there are 3 classes, but 2 class_names"):
        ConfusionMatrix(class_names=["a", "b"]).update_state([0, 1], torch.rand(2, 3))
    with pytest.raises(UsageError, match="the true classes have the shape"):
        MeanIoU(num_classes=2).update_state([0, 1], [0, 1, 1])


def test_classes_of_sequences_are_counted_one_by_one() -> None:
    y_true = torch.tensor([[0, 1], [2, 2]])
    scores = torch.eye(3)[torch.tensor([[0, 1], [2, 0]])]
    assert float(MacroAccuracy()(y_true, scores, [[1.0, 1.0], [1.0, 1.0]])) == pytest.approx(5 / 6)
    assert float(MacroAccuracy()(y_true, scores, [1.0, 0.0])) == 1.0


def test_directions_need_entries_to_compare() -> None:
    with pytest.raises(UsageError, match=r"needs the shape \(N, ..., D\); got \(3,\)"):
        CosineSimilarity().update_state([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])


def test_along_the_samples_each_batch_has_its_own_value() -> None:
    assert CosineSimilarity.coalesce
    assert CosineSimilarity(axis=1).coalesce
    assert not CosineSimilarity(axis=0).coalesce
    assert not CosineSimilarity(axis=-2).coalesce
    assert CosineSimilarity(axis=1).get_config()["axis"] == 1


def test_a_class_that_is_ignored_does_not_make_the_mean_smaller() -> None:
    y_true, y_pred = [1, 0, -1], [[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]]
    metric = SparseCategoricalCrossentropy(ignore_class=-1)
    alone = float(SparseCategoricalCrossentropy()(y_true[:2], y_pred[:2]))
    assert float(metric(y_true, y_pred)) == pytest.approx(alone)
    weighted = SparseCategoricalCrossentropy(ignore_class=-1)
    assert float(weighted(y_true, y_pred, [1.0, 1.0, 9.0])) == pytest.approx(alone)


def test_numbers_without_a_second_axis_are_samples() -> None:
    metric = RootMeanSquaredError()
    metric.update_state([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    assert float(metric([0.0], [4.0])) == 2.0
    assert float(RootMeanSquaredError()([0.0, 0.0], [0.0, 2.0], [1.0, 0.0])) == 0.0


def test_r2_of_constant_targets_and_of_one_dimension() -> None:
    assert float(R2Score()([0.1] * 3, [0.1] * 3)) == 1.0
    assert float(R2Score()([0.1] * 3, [0.2] * 3)) == 0.0
    assert torch.isnan(R2Score()([0.1] * 3, [0.1, NAN, 0.1]))
    assert float(R2Score()([1.0, 4.0, 3.0], [[2.0], [4.0], [4.0]])) == pytest.approx(4 / 7)
    far = R2Score()([1e4, 1e4 + 1, 1e4 + 2], [1e4, 1e4 + 1, 1e4 + 2.5])
    assert float(far) == pytest.approx(0.875)
    exact = R2Score()(torch.tensor([0.1, 0.3], dtype=torch.float64), torch.tensor([0.0, 0.0]))
    assert float(exact) == pytest.approx(-4.0, rel=1e-12)
    with pytest.raises(UsageError, match="flatten what belongs to one output"):
        R2Score().update_state(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))


def test_adjusted_r2_counts_samples_not_numbers() -> None:
    y_true, y_pred = torch.rand(10, 4), torch.rand(10, 4)
    plain = float(R2Score()(y_true, y_pred))
    adjusted = float(R2Score(num_regressors=2)(y_true, y_pred))
    assert adjusted == pytest.approx(1 - (1 - plain) * 9 / 7)
    assert torch.isnan(R2Score(num_regressors=9)(y_true, y_pred))


def test_nan_is_not_hidden() -> None:
    y_true, y_pred = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, NAN, 3.0])
    for kind in (MedianAbsoluteError, RootMeanSquaredError, metrics.BinaryCrossentropy):
        assert torch.isnan(kind()(y_true, y_pred))


def test_a_median_needs_samples() -> None:
    with pytest.raises(UsageError, match="needs y_true and y_pred"):
        MedianAbsoluteError().update_state(1.0, 2.0)


def test_a_sum_refuses_weights_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="sample_weight has the shape"):
        Sum().update_state([1.0, 2.0], [1.0, 2.0, 3.0])


def test_a_threshold_counts_from_itself_on_in_binary_overlaps() -> None:
    assert float(BinaryIoU()([1, 0], [0.5, 0.4])) == 1.0


def test_a_confusion_matrix_is_printed_and_drawn(tmp_path: Any) -> None:
    metric = ConfusionMatrix(normalize="true", class_names=["cat", "dog"])
    assert str(metric) == "<ConfusionMatrix name='confusion_matrix'> (nothing taken in yet)"
    with pytest.raises(UsageError, match="nothing has been taken in"):
        metric.plot()
    metric.update_state([0, 0, 1, 1], [0.2, 0.7, 0.8, 0.9])
    assert [line.split() for line in str(metric).splitlines()[1:]] == [
        ["cat", "0.500", "0.500"],
        ["dog", "0.000", "1.000"],
    ]
    console = Console(record=True, width=60, file=io.StringIO())
    console.print(metric)
    assert "0.500" in console.export_text()
    ax = metric.plot()
    assert [text.get_text() for text in ax.texts] == ["0.500", "0.500", "0.000", "1.000"]
    ax.figure.savefig(tmp_path / "matrix.png")
    assert (tmp_path / "matrix.png").read_bytes()[1:4] == b"PNG"
    assert metric.plot(ax) is ax


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'epochal\[plot\]'"):
        ConfusionMatrix().plot()


def test_functions_of_keras_become_the_metrics_of_their_name() -> None:
    for name in metrics.__all__:
        if isinstance(getattr(metrics, name), type) or name in (
            *("get", "serialize", "deserialize", "is_accuracy", "resolve_accuracy"),
            *("huber", "binary_focal_crossentropy", "categorical_focal_crossentropy"),
        ):
            continue
        found = metrics.get(getattr(metrics, name))
        assert found.coalesce, name
        assert found.name == {"log_cosh": "logcosh"}.get(name, name)
    for alias in ("mape", "MSLE", "rmse", "bce", "logcosh", "fbeta_score", "f1_score", "r2_score"):
        assert metrics.get(alias).direction in ("min", "max")


def test_names_and_functions_of_other_metrics_work_in_fit() -> None:
    model = epochal.Sequential([Dense(1, input_dim=2)])
    names = ["rmse", "median_absolute_error", metrics.huber, "r2_score", "logcosh"]
    model.compile("sgd", "mse", metrics=names)
    history = model.fit(torch.rand(9, 2), torch.rand(9, 1), batch_size=4, verbose=0).history
    assert list(history)[1:] == ["rmse", "median_absolute_error", "huber", "r2_score", "logcosh"]
    assert history["rmse"][0] == pytest.approx(history["loss"][0] ** 0.5, rel=1e-5)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_outside_of_the_classes_has_no_crossentropy(label: int) -> None:
    metric = metrics.SparseCategoricalCrossentropy()
    with pytest.raises(UsageError, match=f"holds the class {label}, .* from 0 to 1"):
        metric([0, label], [[0.1, 0.9], [0.2, 0.8]])
    ignoring = metrics.SparseCategoricalCrossentropy(ignore_class=label)
    assert float(ignoring([1, label], [[0.0, 1.0], [0.2, 0.8]])) == pytest.approx(0.0, abs=1e-6)


def test_the_median_of_a_batch_without_rows_is_that_of_nothing() -> None:
    metric = metrics.MedianAbsoluteError()
    metric.update_state(torch.zeros(0, 2), torch.zeros(0, 2))
    assert float(metric.result()) == 0.0
    metric.update_state(torch.zeros(3, 2), torch.ones(3, 2))
    assert float(metric.result()) == 1.0

"""Metrics by name, class, instance or function."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from epochal.core.config import plain
from epochal.core.errors import UsageError, UsageTypeError
from epochal.core.names import Registry
from epochal.functional import accuracy as functions
from epochal.functional import correlation as correlations
from epochal.functional import crossentropy, distributions, regression
from epochal.functional import hinge as hinges
from epochal.metrics import (
    accuracy,
    agreement,
    at_value,
    auc,
    calibration,
    confusion_matrix,
    correlation,
    counts,
    f_scores,
    iou,
    margins,
    median,
    precision_recall,
    probabilistic,
    r2,
    ranking,
    total,
)
from epochal.metrics import regression as errors
from epochal.metrics.base import Metric
from epochal.metrics.mean import FunctionMetric, Mean
from epochal.metrics.torchmetric import TorchMetric, is_torchmetric

__all__ = ["deserialize", "for_logits", "get", "is_accuracy", "resolve_accuracy", "serialize"]

_METRICS = Registry[type[Metric]]("metric")
_METRICS.add(Mean)
for _module in (
    *(accuracy, at_value, auc, counts, precision_recall, agreement, confusion_matrix, correlation),
    *(iou, margins, median, r2, total, calibration, ranking),
):
    for _name in _module.__all__:
        _METRICS.add(getattr(_module, _name))
_METRICS.add(errors.MeanSquaredError, "mse", "MSE")
_METRICS.add(errors.MeanAbsoluteError, "mae", "MAE")
_METRICS.add(errors.MeanAbsolutePercentageError, "mape", "MAPE")
_METRICS.add(errors.MeanSquaredLogarithmicError, "msle", "MSLE")
_METRICS.add(errors.RootMeanSquaredError, "rmse", "RMSE")
_METRICS.add(errors.LogCoshError, "logcosh")
for _metric in (
    probabilistic.CategoricalCrossentropy,
    probabilistic.KLDivergence,
    probabilistic.Poisson,
    probabilistic.SparseCategoricalCrossentropy,
    f_scores.F1Score,
):
    _METRICS.add(_metric)
_METRICS.add(probabilistic.BinaryCrossentropy, "bce", "BCE")
_METRICS.add(f_scores.FBetaScore, "fbeta_score")

_FUNCTIONS: list[tuple[object, type[Metric]]] = [
    (regression.mean_squared_error, errors.MeanSquaredError),
    (regression.mean_absolute_error, errors.MeanAbsoluteError),
    (regression.mean_absolute_percentage_error, errors.MeanAbsolutePercentageError),
    (regression.mean_squared_logarithmic_error, errors.MeanSquaredLogarithmicError),
    (regression.log_cosh, errors.LogCoshError),
    (crossentropy.binary_crossentropy, probabilistic.BinaryCrossentropy),
    (crossentropy.categorical_crossentropy, probabilistic.CategoricalCrossentropy),
    (crossentropy.sparse_categorical_crossentropy, probabilistic.SparseCategoricalCrossentropy),
    (distributions.kl_divergence, probabilistic.KLDivergence),
    (distributions.poisson, probabilistic.Poisson),
    (hinges.hinge, margins.Hinge),
    (hinges.squared_hinge, margins.SquaredHinge),
    (hinges.categorical_hinge, margins.CategoricalHinge),
    (correlations.pearson_correlation, correlation.PearsonCorrelation),
    (correlations.concordance_correlation, correlation.ConcordanceCorrelation),
    (functions.binary_accuracy, accuracy.BinaryAccuracy),
    (functions.categorical_accuracy, accuracy.CategoricalAccuracy),
    (functions.sparse_categorical_accuracy, accuracy.SparseCategoricalAccuracy),
    (functions.top_k_categorical_accuracy, accuracy.TopKCategoricalAccuracy),
    (functions.sparse_top_k_categorical_accuracy, accuracy.SparseTopKCategoricalAccuracy),
]


def get(identifier: Any) -> Metric:
    """Return the metric that a user means.

    Args:
        identifier: A name (`"mse"`, `"BinaryAccuracy"`), a metric class, a metric, a configuration,
            a function `(y_true, y_pred)`, or a metric of torchmetrics.

    Raises:
        UsageError: If no metric has that name, or it cannot be a metric.

    Example:
        >>> get("mae").name, get(lambda y_true, y_pred: y_pred).name
        ('mean_absolute_error', 'lambda')
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return _by_default(identifier)
    if isinstance(identifier, str):
        if is_accuracy(identifier):
            return accuracy.Accuracy(name=identifier)
        return _by_default(_METRICS[identifier])
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if is_torchmetric(identifier):
        return TorchMetric(identifier)
    if isinstance(identifier, nn.Module):
        raise UsageTypeError(
            # Torch's losses want (y_pred, y_true), others may not: no order is safe to assume.
            f"a metric cannot be the module {type(identifier).__name__}; give a function, such as "
            "lambda y_true, y_pred: module(y_pred, y_true)"
        )
    if callable(identifier) and not isinstance(identifier, type):
        known = next((metric for function, metric in _FUNCTIONS if function is identifier), None)
        return FunctionMetric(identifier) if known is None else known()
    if callable(identifier):
        raise UsageTypeError(
            f"a metric cannot be the class {identifier.__name__}; give an instance of it"
        )
    raise UsageTypeError(
        f"a metric cannot be {identifier!r}; give a name, a Metric, or a function (y_true, y_pred)"
    )


def is_accuracy(identifier: Any) -> bool:
    """Whether it is "acc" or "accuracy", whose meaning depends on the model's output."""
    return isinstance(identifier, str) and identifier.lower() in ("acc", "accuracy")


def resolve_accuracy(
    name: str, y_true: Tensor, y_pred: Tensor, logits: bool = False, axis: int = -1
) -> Metric:
    """Return the accuracy that suits an output: binary, of class numbers, or of one-hot classes.

    Args:
        name: What the user typed; it stays the metric's name.
        y_true: Targets of a batch, (N, ...).
        y_pred: Outputs for them, (N, ...).
        logits: Whether an output above 0, not 0.5, stands for a 1.
        axis: Where the classes are: last, or 1 as torch's cross-entropies have them.

    Example:
        >>> import torch
        >>> type(resolve_accuracy("acc", torch.zeros(4, 1), torch.zeros(4, 1))).__name__
        'BinaryAccuracy'
    """
    kinds: dict[Any, Callable[..., Metric]] = {
        functions.binary_accuracy: accuracy.BinaryAccuracy,
        functions.sparse_categorical_accuracy: accuracy.SparseCategoricalAccuracy,
        functions.categorical_accuracy: accuracy.CategoricalAccuracy,
    }
    if axis == 1 and y_pred.ndim > 2:
        return accuracy.ClassesFirstAccuracy(name=name)
    kind = kinds[accuracy.suiting(y_true, y_pred)]
    if logits and kind is accuracy.BinaryAccuracy:
        return accuracy.BinaryAccuracy(name=name, threshold=0.0)
    return kind(name=name)


# What lets a metric of probabilities read logits, and what stands in its place by default.
_FOR_LOGITS: dict[str, tuple[str, object, object]] = {
    "AUC": ("from_logits", True, False),
    "BinaryCrossentropy": ("from_logits", True, False),
    "ExpectedCalibrationError": ("from_logits", True, False),
    "BinaryAccuracy": ("threshold", 0.0, 0.5),
    "BinaryIoU": ("threshold", 0.0, 0.5),
    "F1Score": ("threshold", 0.0, None),
    "FBetaScore": ("threshold", 0.0, None),
    "Precision": ("thresholds", 0.0, None),
    "Recall": ("thresholds", 0.0, None),
}


def for_logits(metric: Metric) -> str | None:
    """Return how to write a metric that reads logits; None if this one does, or takes anything.

    Example:
        >>> for_logits(get("AUC")), for_logits(get("mae"))
        ('AUC(from_logits=True)', None)
    """
    kind = type(metric).__name__
    if kind not in _FOR_LOGITS or type(metric) is not _METRICS[kind]:
        return None
    (argument, wanted, default), config = _FOR_LOGITS[kind], metric.get_config()
    if config[argument] != default or config.get("top_k") is not None:
        return None
    return f"{kind}({argument}={wanted})"


def _by_default(kind: type[Metric]) -> Metric:
    parameters = inspect.signature(kind).parameters.values()
    needed = [
        p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    if needed:
        arguments = ", ".join(f"{name}=..." for name in needed)
        raise UsageError(
            f"the metric {kind.__name__} needs {' and '.join(map(repr, needed))}: give "
            f"{kind.__name__}({arguments}) rather than its name"
        )
    return kind()


def serialize(metric: Metric) -> dict[str, Any]:
    """Return the class name and configuration of a metric.

    Raises:
        UsageError: If `deserialize` could not make it again: a function, or a class of one's own.

    Example:
        >>> deserialize(serialize(get("mae"))).name
        'mean_absolute_error'
    """
    configured: dict[str, Any] = plain(metric)
    name = type(metric).__name__
    if name not in _METRICS or _METRICS[name] is not type(metric):
        raise UsageError(
            f"{name} is a metric of your own, which a description cannot bring back; keep what its "
            "get_config returns, and make it again with from_config"
        )
    return configured


def deserialize(config: Mapping[str, Any] | str) -> Metric:
    """Return the metric that `serialize` described.

    Raises:
        UsageError: If there is no such metric.
    """
    if isinstance(config, str):
        return get(config)
    if "class_name" not in config:
        raise UsageError(
            f"a metric's configuration needs 'class_name' and 'config'; got the keys {list(config)}"
        )
    return _METRICS[config["class_name"]].from_config(config.get("config", {}))

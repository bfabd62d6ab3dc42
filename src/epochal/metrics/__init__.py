"""How good predictions are: stand-alone, or in `compile(metrics=[...])`."""

from epochal.functional.accuracy import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from epochal.functional.regression import mean_absolute_error, mean_squared_error
from epochal.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from epochal.metrics.at_value import (
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from epochal.metrics.auc import AUC
from epochal.metrics.base import Metric
from epochal.metrics.counts import (
    FalseNegatives,
    FalsePositives,
    TrueNegatives,
    TruePositives,
)
from epochal.metrics.epoch import EpochMetric
from epochal.metrics.mean import Mean, MeanMetricWrapper
from epochal.metrics.precision_recall import Precision, Recall
from epochal.metrics.registry import deserialize, get, is_accuracy, resolve_accuracy, serialize
from epochal.metrics.regression import MeanAbsoluteError, MeanSquaredError
from epochal.metrics.torchmetric import TorchMetric

__all__ = [
    "AUC",
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "TrueNegatives",
    "TruePositives",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "EpochMetric",
    "TorchMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "deserialize",
    "get",
    "is_accuracy",
    "mean_absolute_error",
    "mean_squared_error",
    "resolve_accuracy",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

"""How good predictions are: stand-alone, or in `compile(metrics=[...])`."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.functional.accuracy import (
        binary_accuracy,
        categorical_accuracy,
        sparse_categorical_accuracy,
        sparse_top_k_categorical_accuracy,
        top_k_categorical_accuracy,
    )
    from epochal.functional.correlation import concordance_correlation, pearson_correlation
    from epochal.functional.crossentropy import (
        binary_crossentropy,
        binary_focal_crossentropy,
        categorical_crossentropy,
        categorical_focal_crossentropy,
        sparse_categorical_crossentropy,
    )
    from epochal.functional.distributions import kl_divergence, poisson
    from epochal.functional.hinge import categorical_hinge, hinge, squared_hinge
    from epochal.functional.regression import (
        huber,
        log_cosh,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
    )
    from epochal.metrics.accuracy import (
        Accuracy,
        BinaryAccuracy,
        CategoricalAccuracy,
        SparseCategoricalAccuracy,
        SparseTopKCategoricalAccuracy,
        TopKCategoricalAccuracy,
    )
    from epochal.metrics.agreement import CohenKappa, MacroAccuracy, MatthewsCorrelation
    from epochal.metrics.at_value import (
        PrecisionAtRecall,
        RecallAtPrecision,
        SensitivityAtSpecificity,
        SpecificityAtSensitivity,
    )
    from epochal.metrics.auc import AUC
    from epochal.metrics.base import Metric
    from epochal.metrics.calibration import ExpectedCalibrationError
    from epochal.metrics.confusion_matrix import ConfusionMatrix
    from epochal.metrics.correlation import (
        ConcordanceCorrelation,
        CosineSimilarity,
        PearsonCorrelation,
    )
    from epochal.metrics.counts import (
        FalseNegatives,
        FalsePositives,
        TrueNegatives,
        TruePositives,
    )
    from epochal.metrics.epoch import EpochMetric
    from epochal.metrics.f_scores import F1Score, FBetaScore
    from epochal.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
    from epochal.metrics.margins import CategoricalHinge, Hinge, SquaredHinge
    from epochal.metrics.mean import Mean, MeanMetricWrapper
    from epochal.metrics.median import MedianAbsoluteError
    from epochal.metrics.precision_recall import Precision, Recall
    from epochal.metrics.probabilistic import (
        BinaryCrossentropy,
        CategoricalCrossentropy,
        KLDivergence,
        Poisson,
        SparseCategoricalCrossentropy,
    )
    from epochal.metrics.r2 import R2Score
    from epochal.metrics.ranking import AveragePrecision, ExactAUC
    from epochal.metrics.registry import deserialize, get, is_accuracy, resolve_accuracy, serialize
    from epochal.metrics.regression import (
        LogCoshError,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        RootMeanSquaredError,
    )
    from epochal.metrics.torchmetric import TorchMetric
    from epochal.metrics.total import Sum

__all__ = [
    "AUC",
    "AveragePrecision",
    "ExactAUC",
    "ExpectedCalibrationError",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CohenKappa",
    "ConcordanceCorrelation",
    "ConfusionMatrix",
    "CosineSimilarity",
    "EpochMetric",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "MacroAccuracy",
    "MatthewsCorrelation",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "MedianAbsoluteError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TorchMetric",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "is_accuracy",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "resolve_accuracy",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.functional.accuracy": (
                "binary_accuracy categorical_accuracy sparse_categorical_accuracy "
                "sparse_top_k_categorical_accuracy top_k_categorical_accuracy"
            ),
            "epochal.functional.correlation": "concordance_correlation pearson_correlation",
            "epochal.functional.crossentropy": (
                "binary_crossentropy binary_focal_crossentropy categorical_crossentropy "
                "categorical_focal_crossentropy sparse_categorical_crossentropy"
            ),
            "epochal.functional.distributions": "kl_divergence poisson",
            "epochal.functional.hinge": "categorical_hinge hinge squared_hinge",
            "epochal.functional.regression": (
                "huber log_cosh mean_absolute_error mean_absolute_percentage_error "
                "mean_squared_error mean_squared_logarithmic_error"
            ),
            "epochal.metrics.accuracy": (
                "Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy "
                "SparseTopKCategoricalAccuracy TopKCategoricalAccuracy"
            ),
            "epochal.metrics.agreement": "CohenKappa MacroAccuracy MatthewsCorrelation",
            "epochal.metrics.at_value": (
                "PrecisionAtRecall RecallAtPrecision SensitivityAtSpecificity "
                "SpecificityAtSensitivity"
            ),
            "epochal.metrics.auc": "AUC",
            "epochal.metrics.base": "Metric",
            "epochal.metrics.calibration": "ExpectedCalibrationError",
            "epochal.metrics.confusion_matrix": "ConfusionMatrix",
            "epochal.metrics.correlation": (
                "ConcordanceCorrelation CosineSimilarity PearsonCorrelation"
            ),
            "epochal.metrics.counts": "FalseNegatives FalsePositives TrueNegatives TruePositives",
            "epochal.metrics.epoch": "EpochMetric",
            "epochal.metrics.f_scores": "F1Score FBetaScore",
            "epochal.metrics.iou": "BinaryIoU IoU MeanIoU OneHotIoU OneHotMeanIoU",
            "epochal.metrics.margins": "CategoricalHinge Hinge SquaredHinge",
            "epochal.metrics.mean": "Mean MeanMetricWrapper",
            "epochal.metrics.median": "MedianAbsoluteError",
            "epochal.metrics.precision_recall": "Precision Recall",
            "epochal.metrics.probabilistic": (
                "BinaryCrossentropy CategoricalCrossentropy KLDivergence Poisson "
                "SparseCategoricalCrossentropy"
            ),
            "epochal.metrics.r2": "R2Score",
            "epochal.metrics.ranking": "AveragePrecision ExactAUC",
            "epochal.metrics.registry": "deserialize get is_accuracy resolve_accuracy serialize",
            "epochal.metrics.regression": (
                "LogCoshError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
                "MeanSquaredLogarithmicError RootMeanSquaredError"
            ),
            "epochal.metrics.torchmetric": "TorchMetric",
            "epochal.metrics.total": "Sum",
        },
    )

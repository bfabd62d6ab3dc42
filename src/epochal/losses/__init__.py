"""Losses: what training makes smaller. By name, class, function, or any `torch.nn` loss."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.functional.crossentropy import (
        binary_crossentropy,
        binary_focal_crossentropy,
        categorical_crossentropy,
        categorical_focal_crossentropy,
        categorical_generalized_cross_entropy,
        sparse_categorical_crossentropy,
    )
    from epochal.functional.distributions import (
        cosine_similarity,
        dice,
        kl_divergence,
        poisson,
        tversky,
    )
    from epochal.functional.hinge import categorical_hinge, hinge, squared_hinge
    from epochal.functional.regression import (
        huber,
        log_cosh,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
    )
    from epochal.losses.adapters import FunctionLoss, TorchLoss
    from epochal.losses.base import Loss, reduce
    from epochal.losses.binary import (
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        Hinge,
        SquaredHinge,
    )
    from epochal.losses.categorical import (
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        CategoricalGeneralizedCrossEntropy,
        CategoricalHinge,
        SparseCategoricalCrossentropy,
    )
    from epochal.losses.distributions import CosineSimilarity, Dice, KLDivergence, Poisson, Tversky
    from epochal.losses.registry import deserialize, get, resolve_crossentropy, serialize
    from epochal.losses.regression import (
        Huber,
        LogCosh,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
    )

__all__ = [
    "Loss",
    "get",
    "serialize",
    "deserialize",
    "resolve_crossentropy",
    "reduce",
    "FunctionLoss",
    "TorchLoss",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Huber",
    "LogCosh",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "SparseCategoricalCrossentropy",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
    "CosineSimilarity",
    "Dice",
    "Tversky",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "sparse_categorical_crossentropy",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "kl_divergence",
    "poisson",
    "cosine_similarity",
    "dice",
    "tversky",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.functional.crossentropy": (
                "binary_crossentropy binary_focal_crossentropy categorical_crossentropy "
                "categorical_focal_crossentropy categorical_generalized_cross_entropy "
                "sparse_categorical_crossentropy"
            ),
            "epochal.functional.distributions": (
                "cosine_similarity dice kl_divergence poisson tversky"
            ),
            "epochal.functional.hinge": "categorical_hinge hinge squared_hinge",
            "epochal.functional.regression": (
                "huber log_cosh mean_absolute_error mean_absolute_percentage_error "
                "mean_squared_error mean_squared_logarithmic_error"
            ),
            "epochal.losses.adapters": "FunctionLoss TorchLoss",
            "epochal.losses.base": "Loss reduce",
            "epochal.losses.binary": (
                "BinaryCrossentropy BinaryFocalCrossentropy Hinge SquaredHinge"
            ),
            "epochal.losses.categorical": (
                "CategoricalCrossentropy CategoricalFocalCrossentropy "
                "CategoricalGeneralizedCrossEntropy CategoricalHinge "
                "SparseCategoricalCrossentropy"
            ),
            "epochal.losses.distributions": "CosineSimilarity Dice KLDivergence Poisson Tversky",
            "epochal.losses.registry": "deserialize get resolve_crossentropy serialize",
            "epochal.losses.regression": (
                "Huber LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
                "MeanSquaredLogarithmicError"
            ),
        },
    )

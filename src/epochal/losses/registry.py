"""Losses by name: `get("mse")`, `serialize`, `deserialize`, and the meaning of "crossentropy"."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from epochal.core.config import plain
from epochal.core.errors import UsageTypeError
from epochal.core.names import Registry
from epochal.functional import crossentropy, distributions, hinge, regression
from epochal.losses.adapters import FunctionLoss, TorchLoss
from epochal.losses.base import Loss
from epochal.losses.binary import BinaryCrossentropy, BinaryFocalCrossentropy, Hinge, SquaredHinge
from epochal.losses.categorical import (
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    SparseCategoricalCrossentropy,
)
from epochal.losses.distributions import CosineSimilarity, Dice, KLDivergence, Poisson, Tversky
from epochal.losses.regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)

__all__ = [
    "Reading",
    "compares_one_output",
    "deserialize",
    "get",
    "reading",
    "resolve_crossentropy",
    "serialize",
]

_LOSSES = Registry[type[Loss]]("loss")
_LOSSES.add(MeanSquaredError, "mse", "MSE")
_LOSSES.add(MeanAbsoluteError, "mae", "MAE")
_LOSSES.add(MeanAbsolutePercentageError, "mape", "MAPE")
_LOSSES.add(MeanSquaredLogarithmicError, "msle", "MSLE")
_LOSSES.add(Huber, "huber_loss")
_LOSSES.add(LogCosh, "logcosh")
_LOSSES.add(BinaryCrossentropy, "bce", "BCE")
_LOSSES.add(BinaryFocalCrossentropy)
_LOSSES.add(CategoricalCrossentropy)
_LOSSES.add(CategoricalFocalCrossentropy)
_LOSSES.add(CategoricalGeneralizedCrossEntropy)
_LOSSES.add(SparseCategoricalCrossentropy)
_LOSSES.add(Hinge)
_LOSSES.add(SquaredHinge)
_LOSSES.add(CategoricalHinge)
_LOSSES.add(KLDivergence, "kld", "KLD")
_LOSSES.add(Poisson)
_LOSSES.add(CosineSimilarity)
_LOSSES.add(Dice)
_LOSSES.add(Tversky)

# The classes know more than the functions (checks, one-kernel means), so a function given as a
# loss stands for its class.
_CLASS_OF: dict[object, type[Loss]] = {
    function: _LOSSES[function.__name__]
    for function in (
        regression.mean_squared_error,
        regression.mean_absolute_error,
        regression.mean_absolute_percentage_error,
        regression.mean_squared_logarithmic_error,
        regression.huber,
        regression.log_cosh,
        crossentropy.binary_crossentropy,
        crossentropy.binary_focal_crossentropy,
        crossentropy.categorical_crossentropy,
        crossentropy.categorical_focal_crossentropy,
        crossentropy.categorical_generalized_cross_entropy,
        crossentropy.sparse_categorical_crossentropy,
        hinge.hinge,
        hinge.squared_hinge,
        hinge.categorical_hinge,
        distributions.kl_divergence,
        distributions.poisson,
        distributions.cosine_similarity,
        distributions.dice,
        distributions.tversky,
    )
}

# So do torch's modules, which weigh samples and bring targets into shape; and they are called with
# predictions first, as the functions are.
_MODULE_OF: dict[object, type[nn.Module]] = {
    F.binary_cross_entropy: nn.BCELoss,
    F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss,
    F.cross_entropy: nn.CrossEntropyLoss,
    F.huber_loss: nn.HuberLoss,
    F.kl_div: nn.KLDivLoss,
    F.l1_loss: nn.L1Loss,
    F.mse_loss: nn.MSELoss,
    F.multi_margin_loss: nn.MultiMarginLoss,
    F.multilabel_margin_loss: nn.MultiLabelMarginLoss,
    F.multilabel_soft_margin_loss: nn.MultiLabelSoftMarginLoss,
    F.nll_loss: nn.NLLLoss,
    F.poisson_nll_loss: nn.PoissonNLLLoss,
    F.smooth_l1_loss: nn.SmoothL1Loss,
    F.soft_margin_loss: nn.SoftMarginLoss,
}


def get(identifier: object) -> Loss:
    """Return the loss that `identifier` stands for.

    Args:
        identifier: A name (`"mse"`, `"MeanSquaredError"`, `"mean_squared_error"`), a `Loss` or its
            class, a `torch.nn` loss or its class, a loss of `torch.nn.functional` (or a `partial`
            of one), a function `(y_true, y_pred)`, or what `serialize` returned.

    Returns:
        A loss, ready to call.

    Raises:
        UsageError: If the name is not one of a loss.
        UsageTypeError: If `identifier` is nothing of the kind.

    Example:
        >>> get("mse").name
        'mean_squared_error'
        >>> get(nn.CrossEntropyLoss()).name
        'cross_entropy_loss'
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        return _LOSSES[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if inspect.isclass(identifier) and issubclass(identifier, (Loss, nn.Module)):
        return get(identifier())
    if isinstance(identifier, nn.Module):
        return TorchLoss(identifier)
    if isinstance(identifier, FunctionType) and identifier in _CLASS_OF:
        return _CLASS_OF[identifier]()
    part = identifier if isinstance(identifier, partial) else None
    function = identifier if part is None else part.func
    if isinstance(function, FunctionType) and function in _MODULE_OF:
        arguments = {} if part is None else part.keywords
        return TorchLoss(_MODULE_OF[function](**arguments), function.__name__)
    if callable(identifier):
        return FunctionLoss(identifier)
    raise UsageTypeError(
        f"a loss was given as {identifier!r}; give a name, a Loss, a torch.nn loss or a function "
        f"(y_true, y_pred). Names: {', '.join(_LOSSES)}"
    )


def compares_one_output(loss: Loss) -> bool:
    """Return whether a loss compares one output with its target; a user's own may take several.

    Example:
        >>> compares_one_output(get("mse")), compares_one_output(get(lambda y_true, outputs: 0.0))
        (True, False)
    """
    if isinstance(loss, TorchLoss):
        return type(loss.module).__module__.startswith("torch.nn.")
    return type(loss) in _CLASS_OF.values()


class Reading(NamedTuple):
    """How a loss reads an output, which an accuracy beside it has to read alike."""

    logits: bool = False
    """Whether what is above 0, not above 0.5, stands for a 1."""
    axis: int = -1
    """Where the classes are."""


def reading(loss: Loss) -> Reading:
    """Return how a loss reads a model's output.

    Example:
        >>> reading(get(nn.BCEWithLogitsLoss())).logits, reading(get(nn.CrossEntropyLoss())).axis
        (True, 1)
    """
    if isinstance(loss, TorchLoss):
        logits = isinstance(loss.module, (nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss))
        classes = isinstance(loss.module, (nn.CrossEntropyLoss, nn.NLLLoss))
        return Reading(logits, 1 if classes else -1)
    binary = (BinaryCrossentropy, BinaryFocalCrossentropy)
    return Reading(isinstance(loss, binary) and loss.from_logits)


def serialize(loss: Loss | Callable[[Tensor, Tensor], Tensor]) -> dict[str, Any]:
    """Return the loss as JSON can hold it.

    Args:
        loss: A loss, or anything `get` takes.

    Returns:
        `{"class_name": ..., "config": {...}}`.

    Example:
        >>> serialize(Huber(delta=2.0))["config"]["delta"]
        2.0
    """
    result: dict[str, Any] = plain(get(loss))
    return result


def deserialize(config: Mapping[str, Any]) -> Loss:
    """Return the loss that `serialize` described.

    Args:
        config: `{"class_name": ..., "config": {...}}`.

    Returns:
        A new loss.

    Raises:
        UsageError: If the class is not one of epochal's losses.

    Example:
        >>> deserialize({"class_name": "Huber", "config": {"delta": 2.0}}).delta
        2.0
    """
    return _LOSSES[config["class_name"]].from_config(config.get("config", {}))


def resolve_crossentropy(y_true: Tensor, y_pred: Tensor) -> Loss:
    """Return the cross-entropy that `loss="crossentropy"` means for these shapes.

    Args:
        y_true: Targets, shape `(M, ...)`.
        y_pred: What the model makes of a few rows, shape `(N, ...)`.

    Returns:
        The binary one for a single output column, the sparse one for integer labels, else the
        categorical one.

    Example:
        >>> import torch
        >>> resolve_crossentropy(torch.tensor([0, 2]), torch.rand(2, 3)).name
        'sparse_categorical_crossentropy'
    """
    if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
        return BinaryCrossentropy()
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return SparseCategoricalCrossentropy()
    return CategoricalCrossentropy()

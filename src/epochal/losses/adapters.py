"""Losses that were not written for epochal: plain functions and `torch.nn` modules."""

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Never

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError, UsageTypeError
from epochal.core.names import snake_case
from epochal.functional.argument_order import takes_outputs_first
from epochal.functional.shapes import ArrayLike, align, as_tensor, match_weights
from epochal.losses import checks
from epochal.losses.base import Loss, reduce

__all__ = ["FunctionLoss", "TorchLoss"]

_WEIGHTED_MEAN = (nn.CrossEntropyLoss, nn.NLLLoss)
_CLASS_INDEX = (*_WEIGHTED_MEAN, nn.MultiMarginLoss)
_ENTRYWISE = (
    nn.MSELoss,
    nn.L1Loss,
    nn.SmoothL1Loss,
    nn.HuberLoss,
    nn.BCELoss,
    nn.BCEWithLogitsLoss,
    nn.SoftMarginLoss,
    nn.PoissonNLLLoss,
    nn.KLDivLoss,
    nn.MultiLabelSoftMarginLoss,
)
_OTHER_INPUTS = (
    nn.CTCLoss,
    nn.CosineEmbeddingLoss,
    nn.GaussianNLLLoss,
    nn.MarginRankingLoss,
    nn.TripletMarginLoss,
    nn.TripletMarginWithDistanceLoss,
)


class FunctionLoss(Loss):
    """A function `(y_true, y_pred)` as a loss.

    `compile(loss=function)` makes one of it; write it out to choose a name or a reduction. As in
    Keras, targets of shape `(N,)` beside predictions of shape `(N, 1)` reach the function in the
    predictions' shape.

    Args:
        fn: Called with targets and predictions as tensors; returns one error per sample, or one
            number for the batch.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called; the function's name when None.
        dtype: The type to compute in.

    Raises:
        UsageTypeError: If `fn` cannot be called, or the names of its arguments say that it takes
            predictions first.

    Example:
        >>> def furthest(y_true, y_pred):
        ...     return (y_true - y_pred).abs().amax(-1)
        >>> FunctionLoss(furthest)([[0.0, 0.0]], [[1.0, 3.0]])
        tensor(3.)
    """

    def __init__(
        self,
        fn: Callable[[Tensor, Tensor], Tensor],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        if not callable(fn):
            raise UsageTypeError(f"FunctionLoss: fn is {fn!r}; give a function (y_true, y_pred)")
        own = getattr(fn, "__name__", snake_case(type(fn).__name__))
        if takes_outputs_first(fn):
            raise UsageTypeError(
                f"{own}{inspect.signature(fn)} takes the outputs first, and a loss is called with "
                f"(y_true, y_pred): pass `lambda y_true, y_pred: {own}(y_pred, y_true)`"
            )
        super().__init__(name or own, reduction, dtype, **unknown)
        self.fn = fn

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return what the function makes of targets and predictions."""
        values = self.fn(*_of_one_rank(y_true, y_pred))
        if not isinstance(values, Tensor):
            raise UsageTypeError(
                f"the loss {self.name} returned a {type(values).__name__}; return a tensor that "
                "was computed from y_pred with torch, so that it has a gradient"
            )
        return values

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield a sentence if the function wants targets of `(N,)` beside outputs of `(N, 1)`."""
        if y_true.ndim != 1 or y_pred.ndim != 2 or y_pred.shape[1] != 1:
            return
        rows = min(len(y_true), len(y_pred))
        y_true, y_pred = y_true[:rows], y_pred[:rows]
        # In a batch of one, no row can meet another: the mean of such batches is what is meant.
        meant = torch.stack(
            [self(y_true[i : i + 1], y_pred[i : i + 1]) for i in range(rows)]
        ).mean()
        try:
            as_given = reduce(self.fn(y_true, y_pred), None, self.reduction)
        except Exception:  # it does not even take them so
            return
        if torch.allclose(as_given, meant) and not torch.allclose(self(y_true, y_pred), meant):
            yield (
                f"the loss {self.name} is given targets of shape (N, 1), as the model's output is: "
                "take y_pred as it is, without a squeeze or an index, or every row meets every "
                "other"
            )


def _of_one_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return both with a last dimension of 1 that only one of them has added or dropped."""
    if not isinstance(y_true, Tensor) or not isinstance(y_pred, Tensor):
        return y_true, y_pred  # several outputs
    if y_true.shape == (*y_pred.shape, 1):
        return (y_true, y_pred[:, None]) if y_pred.ndim == 1 else (y_true.squeeze(-1), y_pred)
    if y_pred.shape == (*y_true.shape, 1):
        return (y_true[:, None], y_pred) if y_true.ndim == 1 else (y_true, y_pred.squeeze(-1))
    return y_true, y_pred


class TorchLoss(Loss):
    """A `torch.nn` loss, called as torch calls it: `module(y_pred, y_true)`.

    `compile(loss=nn.CrossEntropyLoss())` makes one of it. Class indices become int64 and lose a
    last dimension of 1 where the module wants them so, and targets of shape `(N,)` meet
    predictions of shape `(N, 1)` row by row. With sample weights the module is evaluated per
    element and its own `mean` or `sum` is taken of the weighted values.

    Args:
        module: Any module called with `(y_pred, y_true)`.
        name: What the loss is called; the module's class name in snake case when None.

    Raises:
        UsageTypeError: If `module` is not a module, or one that takes other things than
            predictions and targets.

    Example:
        >>> TorchLoss(nn.MSELoss())([0.0, 1.0], [[1.0], [1.0]])
        tensor(0.5000)
    """

    def __init__(self, module: nn.Module, name: str | None = None, **unknown: Never) -> None:
        if not isinstance(module, nn.Module):
            raise UsageTypeError(f"TorchLoss: module is {module!r}; give a torch.nn loss")
        if isinstance(module, _OTHER_INPUTS):
            raise UsageTypeError(
                f"TorchLoss: {type(module).__name__} takes more than predictions and targets; call "
                "it from a function (y_true, y_pred), or override compute_loss of the model"
            )
        super().__init__(name or snake_case(type(module).__name__), **unknown)
        self.module = module
        own = getattr(module, "reduction", None)
        self._own_reduction = own if isinstance(own, str) else None
        if self._own_reduction is not None:
            # A second view of the module that shares its parameters and buffers, for the weighted
            # case; torch's stubs know attributes of modules as tensors and modules only.
            self._per_element = copy.copy(module)
            self._per_element.reduction = "none"  # type: ignore[assignment]

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return what the module makes of predictions and targets."""
        result: Tensor = self.module(y_pred, self._targets(y_true, y_pred))
        return result

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Tensor:
        """Return the loss of a batch; see `Loss`."""
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        y_true, y_pred = as_tensor(y_true), as_tensor(y_pred)
        if self._own_reduction is None:
            result = self.call(y_true, y_pred)
            if result.ndim == 0:
                raise UsageError(
                    f"the loss {self.name} gives one number for the whole batch, so samples cannot "
                    "be weighted; let it return one value per sample, or leave the weights out"
                )
            return reduce(result, sample_weight)
        targets = self._targets(y_true, y_pred)
        values: Tensor = self._per_element(y_pred, targets)
        total = (values * match_weights(sample_weight, values)).sum()
        if self._own_reduction == "sum":
            return total
        if self._own_reduction == "batchmean":
            return total / len(values)
        return total / self._count(targets, y_pred, values)

    def _count(self, targets: Tensor, y_pred: Tensor, values: Tensor) -> Tensor | int:
        """Return what the module's own mean divides by, so that weights of 1 change nothing."""
        module = self.module
        if not isinstance(module, _WEIGHTED_MEAN) or targets.shape == y_pred.shape:
            return values.numel()
        counted = targets != module.ignore_index
        if module.weight is None:
            return counted.sum()
        return (module.weight[targets.where(counted, 0)] * counted).sum()

    def _targets(self, y_true: Any, y_pred: Any) -> Any:
        """Return targets in the shape and type that the module takes."""
        if not isinstance(y_true, Tensor) or not isinstance(y_pred, Tensor):
            return y_true  # a module of the user's own over several outputs
        if isinstance(self.module, _ENTRYWISE):
            return align(y_true, y_pred)[0].reshape(y_pred.shape)
        if isinstance(self.module, nn.MultiLabelMarginLoss):
            return y_true.long()
        if isinstance(self.module, _CLASS_INDEX):
            if y_true.shape == y_pred.shape and isinstance(self.module, nn.CrossEntropyLoss):
                return y_true.to(y_pred.dtype)
            if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
                y_true = y_true.squeeze(-1)
            return y_true.long()
        if y_true.is_floating_point() and y_true.dtype != y_pred.dtype:
            y_true = y_true.to(y_pred.dtype)
        if y_true.ndim == 1 and y_pred.shape == (len(y_true), 1):
            return y_true.unsqueeze(-1)
        return y_true

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about targets and outputs that the module would not take."""
        kind = type(self.module).__name__
        if isinstance(self.module, _CLASS_INDEX):
            yield from self._check_classes(y_true, y_pred, kind)
        elif isinstance(self.module, (nn.BCELoss, nn.BCEWithLogitsLoss)):
            yield from checks.binary_targets(y_true, y_pred, kind)
            if isinstance(self.module, nn.BCELoss):
                yield from checks.probabilities(y_pred, kind, "sigmoid", "use BCEWithLogitsLoss")
        elif isinstance(self.module, _ENTRYWISE):
            yield from checks.same_shape(y_true, y_pred)

    def _check_classes(self, y_true: Tensor, y_pred: Tensor, kind: str) -> Iterator[str]:
        axis = 1 if y_pred.ndim > 1 else 0
        soft = y_true.shape[1:] == y_pred.shape[1:] and y_pred.ndim > 1
        if not (soft and isinstance(self.module, nn.CrossEntropyLoss)):
            ignore = self.module.ignore_index if isinstance(self.module, _WEIGHTED_MEAN) else None
            yield from checks.class_labels(y_true, y_pred, kind, axis, ignore)
        if isinstance(self.module, nn.CrossEntropyLoss) and checks.sums_to_one(y_pred, axis):
            yield (
                f"{kind} takes logits, but the model's output is probabilities (each row sums to "
                "1); take the softmax out of the model"
            )

    def to(self, device: torch.device | str) -> None:
        """Move the module's tensors (class weights) to `device`."""
        self.module.to(device)

"""Look at a whole validation's predictions, without a second pass over the data."""

from collections.abc import Iterable, Mapping
from typing import Any, Never

import torch
from torch import Tensor

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name
from epochal.core.trees import flatten, map_leaves
from epochal.logs import LogNames

__all__ = ["EpochPredictions"]


class EpochPredictions(Callback):
    """Base of callbacks that score or draw the predictions of each epoch's validation.

    The validation that `fit` makes anyway hands its targets and outputs over; override `score`,
    and name in `provides` what it adds to the logs. They can then be monitored and are written by
    every logger, wherever in the list they stand.

    Args:
        max_samples: Keep no more than the first so many rows; None keeps all. Outputs stay on the
            model's device until the validation is over, so they take that much of its memory.

    Raises:
        UsageError: If `max_samples` is below 1; in `fit`, if there is no validation.

    Example:
        >>> import epochal
        >>> class Spread(EpochPredictions):
        ...     provides = ("val_spread",)
        ...     def score(self, epoch, y_true, y_pred):
        ...         return {"val_spread": float(y_pred.max() - y_pred.min())}
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> x = torch.ones(4, 1)
        >>> history = model.fit(x, x, validation_data=(x, x), verbose=0, callbacks=Spread())
        >>> history.history["val_spread"]
        [0.0]
    """

    takes_predictions = True

    def __init__(self, max_samples: int | None = None, **unknown: Never) -> None:
        reject_unknown(type(self).__init__, unknown)
        if max_samples is not None and max_samples < 1:
            raise UsageError(
                f"{type(self).__name__}: max_samples is {max_samples}; give 1 or more, or None"
            )
        self.max_samples = max_samples

    # Class attributes, for subclasses whose `__init__` never calls the base's.
    max_samples: int | None = None
    _batches: list[tuple[Any, Any]]
    _rows: int = 0

    def score(self, epoch: int, y_true: Any, y_pred: Any) -> Mapping[str, Any] | None:
        """Return values for the logs, or None to have only looked; override it.

        Args:
            epoch: Counted from 0.
            y_true: Targets of the whole validation as NumPy arrays, (N, ...), in its order.
            y_pred: Outputs for them, (N, ...).

        Returns:
            Values by the names in `provides`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no score(self, epoch, y_true, y_pred); write one"
        )

    def check(self, names: LogNames) -> Iterable[str]:
        """See that there is a validation to look at."""
        if not names.validates:
            yield (
                f"{type(self).__name__}: there is no validation whose predictions it could see; "
                "pass validation_data or validation_split to fit"
            )

    def take_predictions(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Keep a batch's targets and outputs by reference."""
        size = _rows(y_pred)
        if self.max_samples is not None:
            size = min(size, self.max_samples - self._rows)
            if size <= 0:
                return
            y_true, y_pred = (
                map_leaves(lambda leaf: leaf[:size].clone(), tree) for tree in (y_true, y_pred)
            )
        self._batches.append((y_true, y_pred))
        self._rows += size

    def on_test_begin(self, logs: Any = None) -> None:
        """Forget the validation before."""
        self._batches, self._rows = [], 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Hand the predictions to `score`, and its values to the logs."""
        batches = vars(self).get("_batches")
        if not batches:
            if any(name.startswith("val_") and name not in self.provides for name in logs or ()):
                raise UsageError(
                    f"{type(self).__name__}: the model's own test_step keeps its outputs to "
                    "itself; score them there, or leave test_step as it is"
                )
            return  # an epoch without validation
        y_true, y_pred = (_joined(column) for column in zip(*batches, strict=True))
        self._batches, self._rows = [], 0
        values = self.score(epoch, y_true, y_pred)
        if values is None:
            return
        if not isinstance(values, Mapping):
            raise UsageTypeError(
                f"{type(self).__name__}.score returned a {type(values).__name__}; return a dict of "
                "values by name, or None"
            )
        for name in values:
            if name not in self.provides:
                text = unknown_name("name from score", name, self.provides)
                raise UsageError(f"{type(self).__name__}: {text} Name it in `provides`.")
        if logs is not None:
            logs.update(values)

    def close(self) -> None:
        """Let go of what is kept."""
        self._batches, self._rows = [], 0


def _rows(tree: Any) -> int:
    return int(flatten(tree)[0].shape[0])


def _joined(batches: tuple[Any, ...]) -> Any:
    def join(*parts: Tensor) -> Any:
        whole = torch.cat([part.detach() for part in parts])
        return (whole.float() if whole.dtype == torch.bfloat16 else whole).cpu().numpy()

    return map_leaves(join, *batches)

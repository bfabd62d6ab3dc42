"""Functions that take outputs before targets, as torch's do, where Keras' order is called for."""

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["takes_outputs_first"]

_OUTPUTS = {"y_pred", "y_hat", "y_score", "pred", "preds", "prediction", "predictions", "input"}
_OUTPUTS |= {"inputs", "output", "outputs", "out", "logit", "logits", "prob", "probs"}
_TARGETS = {"y_true", "y", "true", "target", "targets", "label", "labels"}


def takes_outputs_first(function: Callable[..., Any]) -> bool:
    """Return whether the names of a function's first two arguments are an output and a target.

    Called the other way round such a function often gives a number all the same, and a wrong one.

    Example:
        >>> def focal(logits, targets, gamma=2.0): ...
        >>> takes_outputs_first(focal), takes_outputs_first(lambda y_true, y_pred: 0.0)
        (True, False)
    """
    try:
        names = [name.lower() for name in inspect.signature(function).parameters][:2]
    except (TypeError, ValueError):  # some functions written in C do not tell
        return False
    return len(names) == 2 and names[0] in _OUTPUTS and names[1] in _TARGETS

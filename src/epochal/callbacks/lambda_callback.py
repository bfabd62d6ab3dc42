"""A callback made of functions."""

from collections.abc import Callable
from typing import Any, Never

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageTypeError, reject_unknown

__all__ = ["LambdaCallback"]

Function = Callable[..., Any] | None


class LambdaCallback(Callback):
    """Calls your functions at the hooks they are given for; for one-liners.

    Args:
        on_epoch_begin: Called as `(epoch, logs)`.
        on_epoch_end: Called as `(epoch, logs)`.
        on_train_begin: Called as `(logs)`.
        on_train_end: Called as `(logs)`.
        on_train_batch_begin: Called as `(batch, logs=logs)`.
        on_train_batch_end: Called as `(batch, logs=logs)`.
        on_batch_begin: Called as `(batch, logs=logs)`.
        on_batch_end: Called as `(batch, logs=logs)`.
        on_test_begin: Called as `(logs)`.
        on_test_end: Called as `(logs)`.
        on_test_batch_begin: Called as `(batch, logs=logs)`.
        on_test_batch_end: Called as `(batch, logs=logs)`.
        on_predict_begin: Called as `(logs)`.
        on_predict_end: Called as `(logs)`.
        on_predict_batch_begin: Called as `(batch, logs=logs)`.
        on_predict_batch_end: Called as `(batch, logs=logs)`.

    Raises:
        UsageTypeError: If a hook does not exist, or what is given for it cannot be called.

    Example:
        >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
        >>> callback.on_epoch_end(2, {"loss": 0.5})
        2 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Function = None,
        on_epoch_end: Function = None,
        on_train_begin: Function = None,
        on_train_end: Function = None,
        on_train_batch_begin: Function = None,
        on_train_batch_end: Function = None,
        *,
        on_batch_begin: Function = None,
        on_batch_end: Function = None,
        on_test_begin: Function = None,
        on_test_end: Function = None,
        on_test_batch_begin: Function = None,
        on_test_batch_end: Function = None,
        on_predict_begin: Function = None,
        on_predict_end: Function = None,
        on_predict_batch_begin: Function = None,
        on_predict_batch_end: Function = None,
        **unknown: Never,
    ) -> None:
        given = {name: value for name, value in locals().items() if name.startswith("on_")}
        reject_unknown(LambdaCallback.__init__, unknown)
        for name, function in given.items():
            if function is None:
                continue
            if not callable(function):
                raise UsageTypeError(f"LambdaCallback: {name} is {function!r}; give a function")
            setattr(self, name, function)

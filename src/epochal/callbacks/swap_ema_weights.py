"""Evaluate and save the moving average of the weights while training goes on with the weights."""

from collections.abc import Iterable
from typing import Any, Never

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, reject_unknown
from epochal.logs import LogNames

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages in the weights' place while the model is evaluated.

    Needs an optimizer with `use_ema=True`. Put it before a `ModelCheckpoint` with
    `swap_on_epoch=True`, and the averages are what is saved.

    Args:
        swap_on_epoch: Whether the averages also stay in place from the end of an epoch to the
            beginning of the next one.

    Raises:
        UsageError: In `fit`, before the first step, if the optimizer keeps no averages.

    Example:
        >>> import epochal, torch
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile(epochal.optimizers.SGD(0.1, use_ema=True), "mse")
        >>> x, y = torch.ones(8, 1), torch.ones(8, 1)
        >>> history = model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=SwapEMAWeights())
        >>> history.history["val_loss"] == [model.evaluate(x, y, verbose=0)]  # the averages stay
        True
    """

    state = ("_swapped",)

    def __init__(self, swap_on_epoch: bool = False, **unknown: Never) -> None:
        reject_unknown(SwapEMAWeights.__init__, unknown)
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def check(self, names: LogNames) -> Iterable[str]:
        """See that there are averages."""
        optimizer = self.model.optimizer
        if optimizer is None or not optimizer.use_ema:
            yield "SwapEMAWeights: the optimizer keeps no averages; make it with use_ema=True"

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go back to the weights."""
        self._put(averages=False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Put the averages in place for those that follow, if asked to."""
        self._put(averages=self.swap_on_epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the averages in place, as the end of `fit` does without this callback."""
        if self._swapped:
            self._put(averages=False)
            self.model.optimizer.finalize_weights()

    def on_test_begin(self, logs: Any = None) -> None:
        """Put the averages in place."""
        self._put(averages=True)

    def on_test_end(self, logs: Any = None) -> None:
        """Go back to the weights."""
        self._put(averages=False)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Put the averages in place."""
        self._put(averages=True)

    def on_predict_end(self, logs: Any = None) -> None:
        """Go back to the weights."""
        self._put(averages=False)

    def close(self) -> None:
        """Go back to the weights, if an exception came in between."""
        self._put(averages=False)

    def _put(self, *, averages: bool) -> None:
        if self._swapped == averages:
            return
        optimizer = self.model.optimizer
        if optimizer is None or not optimizer.use_ema:
            raise UsageError(
                "SwapEMAWeights: the optimizer keeps no averages; make it with use_ema=True"
            )
        with self.model.still():  # a save in another thread sees all weights or all averages
            optimizer.swap_average()
        self._swapped = averages

"""Stop when the loss is no longer a number."""

from typing import Any, Literal, Never

import torch
from torch import Tensor

from epochal.callbacks.base import Callback
from epochal.core.errors import EpochalError, UsageError, reject_unknown

__all__ = ["NonFiniteLossError", "TerminateOnNaN"]

_EVERY_ON_DEVICE = 50


class NonFiniteLossError(EpochalError, RuntimeError):
    """The loss of a batch became NaN or infinite."""


class TerminateOnNaN(Callback):
    """Stops training when a batch's loss is NaN or infinite, and says where it began.

    The epoch is ended; it is logged as it is, but the model is neither validated nor saved. Losses
    are kept on the device and looked at together, so that an accelerator is not waited for at
    every step; on the CPU, and where the length of an epoch is unknown, every batch is looked at.

    Args:
        raise_error: Whether to raise an error instead of ending training in peace.
        check_every: Look after so many batches (and at the end of every epoch); `"auto"`: each
            batch on the CPU, every 50 elsewhere.

    Raises:
        UsageError: If `check_every` is no number of batches.

    Example:
        >>> import epochal
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile(epochal.optimizers.SGD(1e30), "mse")
        >>> x, y = torch.ones(64, 1), torch.zeros(64, 1)
        >>> history = model.fit(x, y, epochs=9, verbose=0, callbacks=TerminateOnNaN())
        TerminateOnNaN: epoch 1, batch 2: the loss is inf; weight holds non-finite values; stopping
        >>> len(history.epoch)
        1
    """

    state = ("_losses",)

    def __init__(
        self,
        raise_error: bool = False,
        check_every: int | Literal["auto"] = "auto",
        **unknown: Never,
    ) -> None:
        reject_unknown(TerminateOnNaN.__init__, unknown)
        if check_every != "auto" and (isinstance(check_every, bool) or check_every < 1):
            raise UsageError(f"TerminateOnNaN: check_every is {check_every!r}; give 1 or more")
        self.raise_error = raise_error
        self.check_every = check_every
        self._epoch = 0
        self._losses: list[Tensor] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch, and forget the losses of the last one."""
        self._epoch = epoch
        self._losses.clear()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep the batch's loss, and look at those kept if it is time."""
        loss = self.model.batch_loss
        if loss is None:
            return
        loss = torch.as_tensor(loss)
        self._losses.append(loss)
        steps = (self.params or {}).get("steps")
        every = self.check_every
        if every == "auto":
            every = 1 if loss.device.type == "cpu" else _EVERY_ON_DEVICE
        # Of unknown length, any batch may be the last one before validation.
        if len(self._losses) >= every or steps is None or batch + 1 >= steps:
            self._look(batch)

    def on_train_end(self, logs: Any = None) -> None:
        """Let go of the losses."""
        self._losses.clear()

    def _look(self, batch: int) -> None:
        losses = self._losses
        values = [losses[0].item()] if len(losses) == 1 else torch.stack(losses).tolist()
        first = batch + 1 - len(values)
        self._losses.clear()
        for index, value in enumerate(values, start=first):
            if value - value != 0:  # true of NaN and of both infinities alone
                self._stop(index, value)
                return

    def _stop(self, batch: int, value: float) -> None:
        weights = self.model.named_parameters()
        bad = next((name for name, weight in weights if not weight.isfinite().all()), None)
        where = "every weight is still finite" if bad is None else f"{bad} holds non-finite values"
        text = f"epoch {self._epoch + 1}, batch {batch + 1}: the loss is {value}; {where}"
        if self.raise_error:
            raise NonFiniteLossError(f"TerminateOnNaN: {text}")
        print(f"TerminateOnNaN: {text}; stopping")
        self.model.stop_training = self.model.diverged = True

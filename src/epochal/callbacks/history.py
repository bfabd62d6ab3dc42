"""What every epoch logged, returned by `fit`."""

from typing import Any

from epochal.callbacks.base import Callback

__all__ = ["History"]


class History(Callback):
    """The values of every epoch, in the order they were logged; `fit` makes and returns one.

    Attributes:
        history: Name to the list of its values, one for each epoch that had it.
        epoch: The epochs that ran, counted from 0.
        epochs_of: Name to the epochs its values belong to (validation may not run in each).

    Example:
        >>> history = History()
        >>> history.on_train_begin()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.on_epoch_end(1, {"loss": 0.25, "val_loss": 0.5})
        >>> history.history, history.epochs_of["val_loss"]
        ({'loss': [0.5, 0.25], 'val_loss': [0.5]}, [1])
    """

    state = ("history", "epoch", "epochs_of")
    reads_all = True

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.epochs_of: dict[str, list[int]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew: a history is of one `fit`."""
        self.history, self.epoch, self.epochs_of = {}, [], {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep what the epoch logged."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self.epochs_of.setdefault(name, []).append(epoch)

    def __repr__(self) -> str:
        names = ", ".join(self.history) or "nothing"
        return f"<History of {len(self.epoch)} epochs: {names}>"

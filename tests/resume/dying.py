"""A callback that ends a run as a crash does."""

from epochal.callbacks import Callback

__all__ = ["Dies"]


class Dies(Callback):
    """Raises before the step after the first `after` ones."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_train_batch_begin(self, batch, logs=None):
        """Count a step."""
        self.left -= 1
        if self.left < 0:
            raise ZeroDivisionError

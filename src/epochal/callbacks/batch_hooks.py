"""The hooks of batches in one pass over data: who is called at which batch."""

from collections.abc import Callable
from typing import Any, Literal

from epochal.callbacks.dispatch import CallbackList

__all__ = ["BatchHooks"]


class BatchHooks:
    """Calls `on_<kind>_batch_begin` and `on_<kind>_batch_end`, where anybody has them.

    Callbacks that only show something are called now and then. The last batch is told to all.

    Args:
        callbacks: Whom to call.
        kind: What the pass is for.
        every: Call them around this many batches instead of around each.
        done: How many batches of the pass were used, and told of, by the process before.
    """

    def __init__(
        self,
        callbacks: CallbackList,
        kind: Literal["train", "test", "predict"],
        every: int = 1,
        done: int = 0,
    ) -> None:
        self._callbacks = callbacks
        self._every = every
        self._begin, self._end = f"on_{kind}_batch_begin", f"on_{kind}_batch_end"
        self._begins = bool(callbacks.hooks(self._begin))
        self._ends = bool(callbacks.hooks(self._end))
        self._last = done - 1
        self._told = done - done % every - 1

    def begin(self, batch: int) -> None:
        """Say that a batch begins.

        Args:
            batch: Its number in the pass, from 0.
        """
        if self._begins and batch % self._every == 0:
            self._callbacks.call_batch(self._begin, batch)

    def end(self, batch: int, logs: Callable[[], Any]) -> None:
        """Say that a batch has ended.

        Args:
            batch: Its number in the pass, from 0.
            logs: Makes its logs; called only if somebody gets them.
        """
        self._last = batch
        if self._ends and (batch + 1) % self._every == 0 and self._callbacks.due(self._end):
            self._told = batch
            self._callbacks.call_batch(self._end, batch, logs())

    def finish(self, logs: Callable[[], Any]) -> None:
        """Say that the last batch has ended, to those who were not told."""
        if self._ends and self._told < self._last:
            self._callbacks.call_batch(self._end, self._last, logs())

"""Watching one logged value: which way is better, and whether it got better."""

import math
from collections.abc import Iterable
from typing import Any, Literal

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, unknown_name
from epochal.logs import Direction, LogNames

__all__ = ["Mode", "MonitorCallback"]

Mode = Literal["auto", "min", "max"]


class MonitorCallback(Callback):
    """Base of callbacks that watch one value.

    Args:
        monitor: The name watched.
        mode: `"min"`, `"max"`, or `"auto"`: as the metric says, else as well-known names are.
        min_delta: A change has to be larger than this to count.
        relative: Whether `min_delta` is a share of the best value.

    Raises:
        UsageError: If the mode is none of the three.
    """

    def __init__(
        self, monitor: str, mode: Mode, min_delta: float = 0.0, *, relative: bool = False
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise UsageError(
                f"{type(self).__name__}: {unknown_name('mode', mode, ('auto', 'min', 'max'))}"
            )
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.relative = relative
        self.needs = (monitor,)
        # Driven from a loop of one's own there is no `check`: well-known names have to do.
        self._direction: Direction | None = (
            LogNames({}).direction(monitor) if mode == "auto" else mode
        )

    def check(self, names: LogNames) -> Iterable[str]:
        """Settle the direction from what will be logged, anew for every fit."""
        if self.mode == "auto":
            self._direction = names.direction(self.monitor)
            if self._direction is None and self.monitor in names:
                yield (
                    f"{type(self).__name__}: cannot tell whether {self.monitor!r} is better large "
                    "or small; pass mode='max' or mode='min'"
                )

    def improves(self, value: float, best: float | None) -> bool:
        """Whether `value` is better than `best` by more than `min_delta`; NaN never is."""
        if math.isnan(value):
            return False
        if best is None:
            return True
        margin = self.min_delta * abs(best) if self.relative else self.min_delta
        if self._direction == "max":
            return value - margin > best
        return value + margin < best

    def value(self, logs: Any) -> float | None:
        """Return the watched value of this epoch, or None in an epoch that did not validate.

        Raises:
            UsageError: If it is missing though nothing explains that, or is not a number.
        """
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            if not self.monitor.startswith("val_") or any(n.startswith("val_") for n in logs):
                raise UsageError(
                    f"{type(self).__name__}: {unknown_name('name to monitor', self.monitor, logs)}"
                )
            return None
        try:
            return float(value)
        except (TypeError, ValueError):
            raise UsageError(
                f"{type(self).__name__}: {self.monitor!r} is {value!r}; expected one number"
            ) from None

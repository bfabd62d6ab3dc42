"""Shows how a run goes: a live bar on a terminal, one clean line an epoch everywhere else."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from epochal.callbacks.base import Callback

__all__ = ["ProgbarLogger"]

_REFRESH = 0.1  # seconds between two looks of the live bar at the device


class ProgbarLogger(Callback):
    """The progress of `fit`, `evaluate` and `predict`; they add one by their `verbose` argument.

    With `verbose=1` a terminal shows a live bar with rate, time left, loss and metrics, and a line
    for each epoch (epochs shorter than a tenth of a second only move the bar); a pipe, a notebook
    or a CI log gets one line for each epoch. `verbose=2` is one line for each epoch anywhere.

    Args:
        console: Where to; standard output by default.

    Example:
        >>> progress = ProgbarLogger()
        >>> progress.set_params({"verbose": 2, "epochs": 9, "steps": 4})
        >>> progress.on_train_begin(); progress.on_epoch_begin(0)
        >>> progress.line("Epoch 1/9", 4, 0.5, {"loss": 0.25, "acc": 0.9})
        'Epoch 1/9 - 4 steps - 0.5s - 125ms/step - loss: 0.2500 - acc: 0.9000'
    """

    def __init__(self, console: Console | None = None) -> None:
        self._given = console
        self._progress: Progress | None = None
        self._title = ""
        self._seen = 0
        self._fitting = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the bar."""
        self._start(fitting=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start an epoch's line."""
        self._begin(f"Epoch {epoch + 1}/{self._epochs}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar, looking at the device at most ten times a second."""
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch's line."""
        took = time.perf_counter() - self._began
        if self._progress is None or took >= _REFRESH or epoch + 1 >= self._epochs:
            self._write(logs, took)
        else:
            self._due(logs, logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Take the bar off the screen."""
        self._fitting = False
        self.close()

    def on_test_begin(self, logs: Any = None) -> None:
        """Start a bar, unless this is a validation of `fit`."""
        if not self._fitting:
            self._start(fitting=False)
            self._begin("Evaluate")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        if not self._fitting:
            self._step(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Write the line of an evaluation."""
        if not self._fitting:
            self._write(logs, time.perf_counter() - self._began)
            self.close()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Start a bar."""
        self._start(fitting=False)
        self._begin("Predict")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self._step(batch, {})

    def on_predict_end(self, logs: Any = None) -> None:
        """Write the line of a prediction."""
        self._write({}, time.perf_counter() - self._began)
        self.close()

    def close(self) -> None:
        """Take the bar off the screen, whatever ended the run."""
        self._fitting = False
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def line(self, title: str, steps: int, seconds: float, logs: Any) -> str:
        """Return the line of one finished epoch."""
        rate = f" - {_duration(seconds / steps)}/step" if steps else ""
        values = "".join(f" - {name}: {_number(value)}" for name, value in (logs or {}).items())
        return f"{title} - {steps} steps - {_duration(seconds)}{rate}{values}"

    def _start(self, *, fitting: bool) -> None:
        params = self.params or {}
        self._fitting = fitting
        self._epochs = int(params.get("epochs") or 1)
        self._steps = params.get("steps")
        self._next = 0.0
        self._console = self._given or Console(highlight=False, soft_wrap=True)
        live = self._console.is_terminal and not self._console.is_jupyter
        if params.get("verbose") == 1 and live:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.fields[steps]}"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[values]}"),
                console=self._console,
                auto_refresh=False,  # no thread: drawn when a batch ends, at most ten times a second
                transient=True,
            )
            self._task: TaskID = self._progress.add_task("", steps="?", rate="", values="")
            self._progress.start()

    def _begin(self, title: str) -> None:
        self._title = title
        self._seen = 0
        self._began = time.perf_counter()
        if self._progress is not None:
            self._progress.reset(
                self._task, total=self._steps, description=title, steps=self._steps or "?"
            )

    def _step(self, batch: int, logs: Any) -> None:
        self._seen = batch + 1
        if self._progress is not None:
            self._due(logs, None)

    def _due(self, logs: Any, finished: Any) -> None:
        """Redraw if the last time is long enough ago; only then are the values read."""
        now = time.perf_counter()
        if now < self._next or self._progress is None:
            return
        self._next = now + _REFRESH
        values = " ".join(f"{name} {_number(value)}" for name, value in logs.items())
        rate = self._seen / max(now - self._began, 1e-9)
        self._progress.update(
            self._task,
            completed=self._seen,
            rate=f"{rate:.0f}/s" if rate >= 1 else f"{_duration(1 / rate)}/step" if rate else "",
            values=values if finished is None else f"{values}",
            refresh=True,
        )

    def _write(self, logs: Any, took: float) -> None:
        self._console.print(self.line(self._title, self._seen, took, logs), markup=False)


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"
    if seconds >= 0.1:
        return f"{seconds:.1f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"

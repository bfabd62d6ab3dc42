"""Shows how a run goes: a live bar on a terminal, one clean line an epoch everywhere else."""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Never

from epochal.callbacks.base import Callback, now_and_then
from epochal.core.errors import UsageError, reject_unknown, unknown_name

if TYPE_CHECKING:  # rich takes 20 ms to import: that is left to those who want a bar
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

__all__ = ["ProgbarLogger"]

_REFRESH = 0.1  # seconds between two looks of the live bar at the device
_BAR = 24
_MANY = 100  # epochs; so many lines would only scroll past if each took no time


class ProgbarLogger(Callback):
    """The progress of `fit`, `evaluate` and `predict`; they add one by their `verbose` argument.

    With `verbose=1` a terminal shows a live bar with rate, time left, loss and metrics, and leaves
    a line for each epoch (of hundreds of epochs that take no time, ten a second); a pipe, a
    notebook or a CI log gets one line for each epoch. `verbose=2` is one line for each epoch
    anywhere.

    Args:
        count_mode: Whether `"steps"` or `"samples"` are counted.
        stateful_metrics: Accepted for old scripts: values are shown as they are logged.
        console: Where to; standard output by default.

    Raises:
        UsageError: If `count_mode` is something else.

    Example:
        >>> progress = ProgbarLogger()
        >>> progress.line("Epoch 1/9", 4, took=0.6, step=0.125, logs={"loss": 0.25, "acc": 0.9})
        'Epoch 1/9 - 4 steps - 600ms - 125ms/step - loss: 0.2500 - acc: 0.9000'
    """

    def __init__(
        self,
        count_mode: Literal["steps", "samples"] = "steps",
        stateful_metrics: Iterable[str] | None = None,
        console: "Console | None" = None,
        **unknown: Never,
    ) -> None:
        from rich.console import Console

        reject_unknown(ProgbarLogger.__init__, unknown)
        modes = ("steps", "samples")
        if count_mode not in modes:
            raise UsageError(f"ProgbarLogger: {unknown_name('count_mode', count_mode, modes)}")
        self.count_mode = count_mode
        self.stateful_metrics = set(stateful_metrics or ())
        self._given = console
        self._console = console or Console()
        self._live: Live | None = None
        self._fitting = False
        self._epochs = 1
        self._epoch = 0
        self._steps: int | None = None
        self._title = ""
        self._seen = 0
        self._began = self._stepped = self._took = 0.0
        self._quick = False  # epochs so short that the bar shows them rather than their steps
        self._next_look = self._next_line = 0.0
        self._unwritten: str | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the bar."""
        self._start(fitting=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start an epoch's line."""
        self._epoch = epoch
        self._begin(f"Epoch {epoch + 1}/{self._epochs}")

    @now_and_then
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch's line."""
        self._end(logs)
        self._steps = self._steps or self._seen  # data of unknown length: now it is known
        self._look(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Take the bar off the screen, and leave the last epoch's line."""
        if self._unwritten is not None:
            self._write(self._unwritten)
        self.close()

    def on_test_begin(self, logs: Any = None) -> None:
        """Start a bar, unless this is a validation of `fit`."""
        if not self._fitting:
            self._start(fitting=False)
            self._begin("Evaluate")

    @now_and_then
    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar, or say how far the validation is."""
        if self._fitting:
            self._look({}, f"validating, batch {batch + 1}")
        else:
            self._step(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Write the line of an evaluation."""
        if not self._fitting:
            self._end(logs)
            self.close()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Start a bar."""
        self._start(fitting=False)
        self._begin("Predict")

    @now_and_then
    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self._step(batch, {})

    def on_predict_end(self, logs: Any = None) -> None:
        """Write the line of a prediction."""
        self._end({})
        self.close()

    def close(self) -> None:
        """Take the bar off the screen, whatever ended the run."""
        self._fitting = False
        self._unwritten = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def line(self, title: str, steps: int, took: float, step: float, logs: Any) -> str:
        """Return the line of one finished epoch.

        Args:
            title: What it begins with.
            steps: How many there were.
            took: Seconds in all, with the validation.
            step: Seconds for each step.
            logs: What is shown after that.
        """
        values = [f"{name}: {_number(value)}" for name, value in (logs or {}).items()]
        rate = [f"{_duration(step)}/step"] if steps else []
        count = f"{steps} steps" if self.count_mode == "steps" else f"{self._rows()[0]} samples"
        return " - ".join([title, count, _duration(took), *rate, *values])

    def _start(self, *, fitting: bool) -> None:
        from rich.console import Console
        from rich.file_proxy import FileProxy
        from rich.live import Live

        params = self.params or {}
        self._fitting = fitting
        self._epochs = int(params.get("epochs") or 1)
        self._steps = params.get("steps")
        self._quick = False
        self._next_look = self._next_line = 0.0
        # Asked for anew: standard output may be another than when this was made.
        self._console = self._given or Console()
        console = self._console
        movable = console.is_terminal and not console.is_jupyter and not console.is_dumb_terminal
        # Beneath another live display (a `fit` whose callback predicts) there is no line to move.
        nested = self._given is None and isinstance(sys.stdout, FileProxy)
        if params.get("verbose") == 1 and movable and not nested:
            # No thread: drawn when a batch ends. What others print goes above the bar.
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()

    def _begin(self, title: str) -> None:
        self._title = title
        self._seen = 0
        self._began = self._stepped = time.perf_counter()

    def _step(self, batch: int, logs: Any) -> None:
        self._seen = batch + 1
        self._stepped = time.perf_counter()
        self._look(logs)

    def _end(self, logs: Any) -> None:
        """Write the line of what ended, or keep it back where too many would scroll past."""
        now = time.perf_counter()
        self._took = now - self._began
        self._quick = self._live is not None and self._took < _REFRESH and self._epochs > _MANY
        line = self.line(self._title, self._seen, self._took, self._per_step(), logs)
        if self._quick and now < self._next_line:
            self._unwritten = line
        else:
            self._next_line = now + _REFRESH
            self._write(line)

    def _write(self, line: str) -> None:
        self._unwritten = None
        if self._live is not None:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            # Past rich: a notebook would make a block of each line, a pipe wants nothing but text,
            # and beneath another live display plain printing is what that display looks out for.
            print(line, file=None if self._given is None else self._given.file, flush=True)

    def _rows(self) -> tuple[int, int]:
        """Return how many rows of the pass have been seen, and of how many (0 if unknown)."""
        return (0, 0) if self.model is None else self.model.rows_seen

    def _per_step(self) -> float:
        return (self._stepped - self._began) / max(self._seen, 1)

    def _look(self, logs: Any, instead: str | None = None) -> None:
        """Redraw if the last time is long enough ago; only then are the values read."""
        now = time.perf_counter()
        if self._live is None or now < self._next_look:
            return
        self._next_look = now + _REFRESH
        values = [f"{name} {_number(value)}" for name, value in logs.items()]
        self._live.update(self._bar([instead] if instead else values), refresh=True)

    def _bar(self, values: list[str]) -> "Text":
        """Return the live line, with as many values as the terminal is wide."""
        from rich.text import Text

        step = max(self._per_step(), 1e-9)
        if self._quick:
            done, total = self._epoch + 1, self._epochs
            left = (total - done) * self._took
            parts = [f"{_duration(self._took)}/epoch"]
        else:
            left = ((self._steps or 0) - self._seen) * step
            done, total = self._seen, self._steps or 0
            if self.count_mode == "samples":
                done, total = self._rows()
            parts = [
                f"{done}/{total or '?'}",
                f"{1 / step:.0f}/s" if step < 1 else f"{_duration(step)}/step",
            ]
        ascii_only = self._console.options.ascii_only
        text = Text(self._title, no_wrap=True, overflow="crop")
        if total:
            filled = min(_BAR, _BAR * done // total)
            bar, rest = ("#", ".") if ascii_only else ("\u2501", "\u2500")
            text.append(" ").append(bar * filled, "cyan").append(rest * (_BAR - filled), "dim")
            parts.append(f"{_clock(left)} left")
        for part in [*parts, *values]:
            # Whole or not at all: a number that the edge has cut is another number.
            if text.cell_len + len(part) + 2 >= self._console.width:
                break
            text.append(f"  {part}")
        return text


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"
    if seconds >= 1:
        return f"{seconds:.1f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _clock(seconds: float) -> str:
    """Return a time to wait: whole seconds are all that is known of it."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

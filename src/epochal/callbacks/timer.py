"""Where the time of an epoch goes."""

import warnings
from time import perf_counter
from typing import TYPE_CHECKING, Any, Never

import torch

from epochal.callbacks.base import Callback
from epochal.core.errors import reject_unknown

if TYPE_CHECKING:  # rich takes 20 ms to import: that is left to those who want a table
    from rich.table import Table

__all__ = ["Timer"]


class Timer(Callback):
    """Measures the time of data, steps, validation, and every other callback by its name.

    A callback whose batch hooks take longer than the steps themselves is named once, in a warning.

    Args:
        verbose: 1 to print the table when training ends.
        synchronize: Whether to wait for an accelerator after every step, so that `step` is what
            the device took; without, it is what the host took to ask for it.

    Attributes:
        epochs: Seconds of each epoch by name: `total`, `data`, `step`, `validation`, `other`, and
            `callback: NAME` for each callback.

    Example:
        >>> import epochal
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> timer = Timer()
        >>> history = model.fit([[1.0]], [[1.0]], epochs=2, verbose=0, callbacks=timer)
        >>> len(timer.epochs), timer.epochs[0]["step"] <= timer.epochs[0]["total"]
        (2, True)
    """

    observes = True
    state = ("measured",)

    def __init__(self, verbose: int = 0, synchronize: bool = False, **unknown: Never) -> None:
        reject_unknown(Timer.__init__, unknown)
        self.verbose = verbose
        self.synchronize = synchronize
        self.epochs: list[dict[str, float]] = []
        self._warned: set[str] = set()
        self._epoch: int | None = None
        self._began = self._mark = 0.0
        self._times: dict[str, float] = {}
        self._callbacks: dict[str, float] = {}
        self._of_batches: dict[str, float] = {}
        self._forget()

    @property
    def measured(self) -> dict[str, Any]:
        """What was measured, the epoch that is under way too; the time between runs is none."""
        return {
            "epochs": self.epochs,
            "epoch": self._epoch,
            "times": self._times,
            "callbacks": self._callbacks,
            "of_batches": self._of_batches,
            "taken": perf_counter() - self._began,
        }

    @measured.setter
    def measured(self, measured: dict[str, Any]) -> None:
        self.epochs, self._epoch = measured["epochs"], measured["epoch"]
        self._times, self._callbacks = measured["times"], measured["callbacks"]
        self._of_batches = measured["of_batches"]
        self._mark = perf_counter()
        self._began = self._mark - measured["taken"]

    def on_train_begin(self, logs: Any = None) -> None:
        """Start anew."""
        self.epochs = []
        self._epoch = None
        self._warned.clear()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keep the last epoch's sums, and start new ones."""
        self._finish()
        self._epoch = epoch
        self._forget()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """End the wait for data, and begin the step."""
        self._add("data")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """End the step, and begin the wait for data."""
        if self.synchronize and torch.accelerator.is_available():
            torch.accelerator.synchronize()
        self._add("step")

    def on_test_begin(self, logs: Any = None) -> None:
        """Begin the validation."""
        self._add("other")

    def on_test_end(self, logs: Any = None) -> None:
        """End the validation."""
        self._add("validation")

    def on_train_end(self, logs: Any = None) -> None:
        """Keep the last epoch's sums, and print the table if asked to."""
        self._finish()
        if self.verbose:
            from rich.console import Console

            Console(highlight=False).print(self.table())

    def close(self) -> None:
        """Drop an epoch that did not end."""
        self._epoch = None

    def _finish(self) -> None:
        # Only when the next epoch begins have all callbacks had their turn at the end of this one.
        if self._epoch is None:
            return
        self._add("other")
        total = perf_counter() - self._began
        callbacks = {f"callback: {name}": seconds for name, seconds in self._callbacks.items()}
        self.epochs.append({"total": total, **self._times, **callbacks})
        for name, seconds in self._of_batches.items():
            if seconds > self._times["step"] and name not in self._warned:
                self._warned.add(name)
                warnings.warn(
                    f"Timer: the batch hooks of {name} took {seconds:.3g} s in epoch "
                    f"{self._epoch + 1}, longer than its steps ({self._times['step']:.3g} s)",
                    stacklevel=2,
                )
        self._epoch = None

    def observe(self, callback: Callback, hook: str, seconds: float) -> None:
        """Take note of another callback's time, and take it out of what is being measured."""
        name = type(callback).__name__
        self._callbacks[name] = self._callbacks.get(name, 0.0) + seconds
        if "_train_batch_" in hook:
            self._of_batches[name] = self._of_batches.get(name, 0.0) + seconds
        self._mark += seconds

    def table(self) -> "Table":
        """Return the mean seconds of an epoch and their shares, longest first."""
        from rich.table import Table

        sums: dict[str, float] = {}
        for epoch in self.epochs:
            for name, seconds in epoch.items():
                sums[name] = sums.get(name, 0.0) + seconds
        total = sums.pop("total", 0.0)
        table = Table(title=f"Time of an epoch (mean of {len(self.epochs)})", title_justify="left")
        table.add_column("what")
        table.add_column("ms", justify="right")
        table.add_column("share", justify="right")
        for name, seconds in sorted(sums.items(), key=lambda entry: -entry[1]):
            mean = seconds / len(self.epochs)
            table.add_row(name, f"{mean * 1e3:.2f}", f"{seconds / total:.1%}")
        return table

    def _add(self, name: str) -> None:
        now = perf_counter()
        self._times[name] += now - self._mark
        self._mark = now

    def _forget(self) -> None:
        self._times = dict.fromkeys(("data", "step", "validation", "other"), 0.0)
        self._callbacks, self._of_batches = {}, {}
        self._began = self._mark = perf_counter()

"""What a crash test runs: something that saves, can be started again, and leaves files behind."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from epochal.storage import (
    AsyncSaver,
    CheckpointStore,
    LineFile,
    LineMark,
    Manifest,
    cut_lines,
    list_checkpoints,
    load_tensors,
    save_tensors,
)

__all__ = ["Scenario", "StoreScenario"]

Reach = Callable[[str], None]


class Scenario(Protocol):
    """A run to be killed. It is deterministic: started again, it ends as if never killed."""

    @property
    def name(self) -> str:
        """What to call it in a report."""

    def run(self, folder: Path, reach: Reach) -> None:
        """Run to the end in a folder, from what is there; call `reach` at places to be killed at.

        `reach("saved 3")` says that three saves are acknowledged: from then on they are not lost.
        """

    def saved(self, folder: Path) -> int:
        """Return how many saves the newest usable checkpoint stands for.

        Raises:
            AssertionError: If a checkpoint is damaged, or contradicts the files beside it.
        """

    def result(self, folder: Path) -> dict[str, str]:
        """Return a hash of everything that a finished run leaves, by name."""


@dataclass(frozen=True)
class StoreScenario:
    """A run without training: weights that change, a file of lines, a best file, checkpoints.

    Args:
        name: What to call it.
        steps: How many steps it takes; it saves after each.
        keep: How many checkpoints stay.
        asynchronous: Whether it saves in a thread.
        lines: Whether it writes a file of lines.
        best: Whether it keeps the best weights in a file of their own.
        size: How many numbers its weights have.
    """

    name: str = "store"
    steps: int = 4
    keep: int = 2
    asynchronous: bool = False
    lines: bool = True
    best: bool = True
    size: int = 40

    def run(self, folder: Path, reach: Reach) -> None:
        """Run to the end, from the newest checkpoint."""
        with CheckpointStore(folder / "checkpoints", keep=self.keep) as store:
            found, _ = store.newest()
            weights, state = self._begin() if found is None else (found.tensors["w"], found.state)
            csv = self._open_lines(folder, state)
            try:
                self._steps(folder, store, weights, state, csv, reach)
            finally:
                if csv:
                    csv.close()
            reach("end")

    def saved(self, folder: Path) -> int:
        """Compare the newest checkpoint with the files beside it, and return its step."""
        with CheckpointStore(folder / "checkpoints", keep=self.keep) as store:
            found, skipped = store.newest()
        assert not skipped, skipped
        if found is None:
            return 0
        state = found.state
        if state["step"] >= 2:
            # Once two were there, two stay.
            listed = list_checkpoints(folder / "checkpoints", verify=True)
            assert sum(isinstance(one, Manifest) for one in listed) >= 2, "one checkpoint is left"
        best = folder / "best.safetensors"
        if self.best:
            # The file may be from a step after the checkpoint, which will be done again; never
            # from one before.
            assert int(load_tensors(best)[1]["step"]) >= state["best"][1], "the best file is old"
        if self.lines:
            content = (folder / "log.csv").read_bytes()[: state["lines"][0]]
            assert hashlib.sha256(content).hexdigest() == state["lines"][1], "lines are lost"
        return int(state["step"])

    def result(self, folder: Path) -> dict[str, str]:
        """Return a hash of the weights, the state, the lines and the best file."""
        with CheckpointStore(folder / "checkpoints", keep=self.keep) as store:
            found, skipped = store.newest()
        assert found is not None, skipped
        parts: dict[str, bytes] = {
            "weights": found.tensors["w"].numpy().tobytes(),
            "state": repr(found.state).encode(),
        }
        for name in ("log.csv", "best.safetensors"):
            if (folder / name).exists():
                parts[name] = (folder / name).read_bytes()
        return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}

    def _begin(self) -> tuple[torch.Tensor, dict[str, Any]]:
        state = {"step": 0, "best": (math.inf, 0), "losses": [], "lines": None}
        return torch.arange(float(self.size)), state

    def _open_lines(self, folder: Path, state: dict[str, Any]) -> LineFile | None:
        if not self.lines:
            return None
        if state["lines"] is None:
            return LineFile(folder / "log.csv", append=False)
        cut_lines(folder / "log.csv", LineMark(*state["lines"]))
        return LineFile(folder / "log.csv", append=True)

    def _steps(
        self,
        folder: Path,
        store: CheckpointStore,
        weights: torch.Tensor,
        state: dict[str, Any],
        csv: LineFile | None,
        reach: Reach,
    ) -> None:
        saver = AsyncSaver(store) if self.asynchronous else None
        try:
            for step in range(state["step"], self.steps):
                reach(f"step {step}")
                self._step(folder, weights, state, csv)
                if saver is None:
                    self.save(store, weights, state)
                    reach(f"saved {step + 1}")
                else:
                    if saver.finish() is not None and step:
                        reach(f"saved {step}")
                    saver.save({"w": weights}, state, f"step {step + 1}")
        except BaseException:
            if saver is not None:
                self._let_go(saver)
            raise
        if saver is not None:
            saver.finish()
            reach(f"saved {self.steps}")

    def save(self, store: CheckpointStore, weights: torch.Tensor, state: dict[str, Any]) -> None:
        """Save the step."""
        store.save({"w": weights}, state, f"step {state['step']}")

    def write_best(self, folder: Path, weights: torch.Tensor, step: int) -> None:
        """Write the best weights."""
        save_tensors(folder / "best.safetensors", {"w": weights}, {"step": str(step)})

    def _step(
        self, folder: Path, weights: torch.Tensor, state: dict[str, Any], csv: LineFile | None
    ) -> None:
        """Change the weights, and write what a step leaves behind."""
        step = state["step"] + 1
        weights.mul_(0.75).add_(step)
        # Up and down, so that some steps are the best so far and some are not.
        loss = float(weights.mean()) * (1 + step % 2)
        state |= {"step": step, "losses": [*state["losses"], loss]}
        if csv:
            csv.write(f"{step},{loss!r}")
            state["lines"] = tuple(csv.mark())
        if self.best and (loss < state["best"][0] or step % 3 == 0):
            self.write_best(folder, weights, step)
            state["best"] = (loss, step)

    @staticmethod
    def _let_go(saver: AsyncSaver) -> None:
        """Wait for the thread; another error is on its way."""
        try:
            saver.finish()
        except OSError:
            return

"""A real training to be killed: before and after each hook, inside the model, inside a file."""

import contextlib
import hashlib
import importlib.util
import json
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from epochal import callbacks as use
from epochal import layers, losses, metrics, optimizers
from epochal.callbacks.base import HOOKS
from epochal.cli.selftest.scenario import Reach
from epochal.core.random import set_random_seed
from epochal.models import Sequential
from epochal.storage import CheckpointStore

__all__ = ["BATCHES", "FitScenario"]

ROWS, BATCH, BATCHES = 26, 8, 4

Data = Literal["arrays", "dataset", "loader", "workers", "stream", "fixed"]


@dataclass(frozen=True)
class FitScenario:
    """A training with callbacks that write files, saved by `BackupAndRestore`.

    Args:
        name: What to call it.
        data: How the rows arrive.
        save_freq: How often the run is saved.
        asynchronous: Whether a thread saves.
        optimizer: Makes the optimizer.
        more: Makes further callbacks.
        precision: Of `compile`.
        own_metric: Whether a metric that keeps its sums in plain attributes is logged too.
        epochs: How long it trains at most.
        rotating: Whether each epoch is kept in a file of its own, of which two stay.
        events: Whether TensorBoard's event files are written too, by code that is not ours.
        delete: Whether the saved run is removed at the end.
    """

    name: str
    data: Data = "arrays"
    save_freq: Literal["epoch"] | int = "epoch"
    asynchronous: bool = False
    optimizer: Callable[[], optimizers.Optimizer] = lambda: optimizers.Adam(0.05)
    more: Callable[[], list[use.Callback]] = list
    precision: Any = None
    own_metric: bool = False
    epochs: int = 3
    rotating: bool = False
    events: bool = True
    delete: bool = False

    def run(self, folder: Path, reach: Reach) -> None:
        """Train to the end, from the newest checkpoint, and write down what came of it."""
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            warnings.catch_warnings(),
        ):
            # What a disk that fails is expected to lead to; any other warning is an error in tests.
            warnings.filterwarnings("ignore", "BackupAndRestore: cannot (remove|sync)")
            made, history = self.train(folder, reach)
        reach("fit returned")
        optimizer = made.optimizer.state_dict()
        found = {
            "weights": _hash(made.state_dict()),
            "optimizer": _hash(optimizer),
            "history": repr((history.history, history.epoch, history.epochs_of)),
        }
        (folder / "result.json").write_text(json.dumps(found))

    def train(self, folder: Path, reach: Reach) -> tuple[Sequential, use.History]:
        """Train in a folder, and return the model and its history."""
        set_random_seed(7)
        made = self.model(reach)
        x, y = self.make_data()
        history = made.fit(
            x,
            y,
            batch_size=BATCH if self.data in ("arrays", "dataset") else None,
            epochs=self.epochs,
            steps_per_epoch=3 if self.data == "fixed" else None,
            verbose=0,
            validation_data=DataLoader(TensorDataset(*_rows(12)), 8, shuffle=True),
            callbacks=[
                self._teller(reach),
                _places(reach, "before"),
                *self.callbacks(folder),
                _places(reach, "after"),
            ],
        )
        return made, history

    def model(self, reach: Reach) -> Sequential:
        """Make and compile the model."""
        made = Sequential(
            [
                layers.Dense(6, activation="relu", input_dim=3),
                layers.BatchNormalization(),
                _Place(reach),
                layers.Dropout(0.25),
                layers.Dropout(0.25, seed=3),
                layers.Dense(1),
            ]
        )
        watched: list[Any] = ["mae", *([_Largest()] if self.own_metric else [])]
        made.compile(
            self.optimizer(),
            losses.MeanSquaredError(),
            metrics=watched,
            mixed_precision=self.precision,
        )
        first: nn.Parameter = next(made.parameters())
        # Runs when the last gradient of a step is there, just before the update.
        first.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]  # torch has no types
            lambda _: reach("before the update")
        )
        return made

    def callbacks(self, folder: Path) -> list[use.Callback]:
        """Make the callbacks of the training, the one that saves it last."""
        found: list[use.Callback] = [
            *self.more(),
            use.CSVLogger(folder / "log.csv"),
            use.ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
        ]
        if self.rotating:
            found.append(use.ModelCheckpoint(folder / "kept-{epoch}.safetensors", max_to_keep=2))
        if self.events and importlib.util.find_spec("tensorboard") is not None:
            found.append(use.TensorBoard(folder / "tb", write_graph=False, update_freq=2))
        return [*found, self._backup(folder)]

    def _backup(self, folder: Path) -> use.BackupAndRestore:
        return use.BackupAndRestore(
            folder / "run",
            save_freq=self.save_freq,
            asynchronous=self.asynchronous,
            delete_checkpoint=self.delete,
        )

    @property
    def _batches(self) -> int:
        return 3 if self.data == "fixed" else BATCHES

    def _teller(self, reach: Reach) -> use.Callback:
        every = self._batches if self.save_freq == "epoch" else self.save_freq
        return _teller(reach, 0 if self.asynchronous or self.delete else every, self._batches)

    def make_data(self) -> tuple[Any, Any]:
        """Return what `fit` is trained on."""
        x, y = _rows(ROWS)
        if self.data == "arrays":
            return x, y
        if self.data == "stream":
            return DataLoader(_Stream(), BATCH), None
        rows = TensorDataset(x, y)
        if self.data == "dataset":
            return rows, None
        workers = 2 if self.data == "workers" else 0
        order = torch.Generator().manual_seed(5)
        return DataLoader(rows, BATCH, shuffle=True, num_workers=workers, generator=order), None

    def saved(self, folder: Path) -> int:
        """Return how many batches the newest checkpoint stands for."""
        if not (folder / "run").is_dir():
            return 0
        with CheckpointStore(folder / "run") as store:
            found, skipped = store.newest()
        assert not skipped, skipped
        if found is None:
            return 0
        epoch, batches = found.state["position"]
        return int(epoch * self._batches + batches)

    def result(self, folder: Path) -> dict[str, str]:
        """Return what was written down, and hashes of the files."""
        found: dict[str, str] = json.loads((folder / "result.json").read_text())
        for path in (folder / "log.csv", *folder.glob("*.safetensors")):
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        found["files"] = repr(sorted(path.name for path in folder.glob("*.safetensors")))
        if (folder / "run").is_dir():
            found |= self._last(folder)
        if (folder / "tb").is_dir():
            found["TensorBoard"] = repr(_series(folder / "tb"))
        return found

    def _last(self, folder: Path) -> dict[str, str]:
        """Return the last checkpoint's tensors and state, as far as they are the same each time."""
        with CheckpointStore(folder / "run") as store:
            found, skipped = store.newest()
        assert found is not None, skipped
        for callback in found.state["callbacks"]:
            callback["state"].pop("files", None)  # TensorBoard's, which bear the time
        # Files are named by their folders, and each start of a proof may be in another one.
        parts = {"state": repr(found.state).replace(str(folder), "")}
        # By value: which tensors share memory may differ after a start.
        for name in sorted(found.tensors):
            parts[f"tensor {name}"] = f"{found.tensors[name].dtype} {found.tensors[name].tolist()}"
        return parts


def _places(reach: Reach, where: str) -> use.Callback:
    """Return what reaches a place before or after every hook of the others."""
    hooks = [hook for hook in HOOKS if "predict" not in hook and "on_batch" not in hook]
    make: Any = use.LambdaCallback
    made: use.Callback = make(**{hook: _to(reach, f"{where} {hook}") for hook in hooks})
    return made


def _to(reach: Reach, place: str) -> Callable[..., None]:
    return lambda *_, **__: reach(place)


def _teller(reach: Reach, every: int, batches: int) -> use.Callback:
    """Return what says how much is saved by now; the save before a batch is acknowledged then."""
    epochs = [0]

    def tell(done: int) -> None:
        if every and done >= every:
            reach(f"saved {done - done % every}")

    def begin(epoch: int, _: Any) -> None:
        epochs[0] = epoch
        tell(epoch * batches)

    def batch(number: int, **_: Any) -> None:
        if every != batches:
            tell(epochs[0] * batches + number)

    return use.LambdaCallback(on_epoch_begin=begin, on_train_batch_begin=batch)


class _Place(nn.Module):
    """Passes its input on, and reaches a place on the way there and on the way back."""

    def __init__(self, reach: Reach) -> None:
        super().__init__()
        self._reach = reach

    def forward(self, x: Tensor) -> Tensor:
        self._reach("in forward")
        if not x.requires_grad:
            return x
        passed = x.view_as(x)
        passed.register_hook(lambda _: self._reach("in backward"))  # type: ignore[no-untyped-call]
        return passed


class _Largest(metrics.Metric):
    """The largest error, kept in a plain attribute."""

    def __init__(self, name: str = "largest") -> None:
        super().__init__(name=name)
        self.largest = 0.0

    def update_state(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,  # noqa: ARG002  the loop passes it
    ) -> None:
        self.largest = max(self.largest, float((y_true - y_pred).abs().max()))

    def result(self) -> float:
        return self.largest

    def reset_state(self) -> None:
        self.largest = 0.0


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Rows in an order that each pass leaves behind for the next one."""

    def __init__(self) -> None:
        self.x, self.y = _rows(ROWS)
        self.at, self.shift = 0, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while self.at < ROWS:
            row = (self.at * 7 + self.shift) % ROWS
            self.at += 1
            yield self.x[row], self.y[row]
        self.at, self.shift = 0, self.shift + 5

    def state_dict(self) -> dict[str, Any]:
        """Return the place."""
        return {"at": self.at, "shift": self.shift}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a place."""
        self.at, self.shift = state["at"], state["shift"]


def _rows(count: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
    return x, x.sum(1, keepdim=True).sin()


def _hash(tree: Any) -> str:
    found = hashlib.sha256()
    for name in sorted(tree):
        value = tree[name]
        if isinstance(value, Tensor):
            value = (value.dtype, tuple(value.shape), value.detach().numpy().tobytes())
        found.update(f"{name} {value}".encode())
    return found.hexdigest()


def _series(folder: Path) -> list[Any]:
    """Return every point that TensorBoard's own reader finds: run, tag, step and value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found = []
    for run in sorted(path.name for path in folder.iterdir()):
        events = EventAccumulator(str(folder / run), size_guidance={"tensors": 0}).Reload()
        for tag in sorted(events.Tags()["tensors"]):
            found += [
                (run, tag, event.step, make_ndarray(event.tensor_proto).tolist())
                for event in events.Tensors(tag)
            ]
    return found

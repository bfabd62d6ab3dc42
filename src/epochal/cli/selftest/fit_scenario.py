"""Real training to be killed: before and after each hook, inside the model, inside a file."""

import contextlib
import hashlib
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from epochal.cli.selftest.scenario import Reach
from epochal.models import Model
from epochal.optimizers import Adam
from epochal.storage import CheckpointStore, Skipped, list_checkpoints, write_json
from epochal.utils import set_random_seed

__all__ = ["FIT_SCENARIOS", "FitScenario"]


@dataclass(frozen=True)
class FitScenario:
    """A `fit` of a small network with dropout, a CSV file, a best file and callbacks that count.

    Args:
        name: What to call it.
        save_freq: After how many batches it saves, or `"epoch"`.
        asynchronous: Whether a thread saves.
        workers: How many data workers a `DataLoader` has; `None` for arrays.
        optimizer: Further arguments of Adam (averages, accumulation, clipping).
        epochs: How many epochs.
    """

    name: str
    save_freq: Any = "epoch"
    asynchronous: bool = False
    workers: int | None = None
    optimizer: Callable[[], Any] = Adam
    epochs: int = 3

    def run(self, folder: Path, reach: Reach) -> None:
        """Train to the end, from the newest checkpoint."""
        set_random_seed(7)
        x, y = torch.randn(22, 3), torch.randn(22, 1)
        model = Model(
            nn.Sequential(
                nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), _Inside(reach), nn.Linear(4, 1)
            )
        )
        model.compile(self.optimizer(), "mse", metrics=["mae"])
        callbacks = [
            _Places(reach, "before"),
            CSVLogger(folder / "log.csv", append=False),
            ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=0.1),
            EarlyStopping("loss", patience=9, restore_best_weights=True),
            ModelCheckpoint(folder / "best.safetensors", monitor="val_loss", save_best_only=True),
            BackupAndRestore(
                folder / "run",
                save_freq=self.save_freq,
                asynchronous=self.asynchronous,
                delete_checkpoint=False,
            ),
            _Places(reach, "after"),
        ]
        options: dict[str, Any] = {"epochs": self.epochs, "verbose": 0, "callbacks": callbacks}
        options["validation_data"] = (x[:6], y[:6])
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            warnings.catch_warnings(),
        ):
            # What a disk that fails is expected to lead to; any other warning is an error in tests.
            warnings.filterwarnings("ignore", "BackupAndRestore: cannot remove")
            if self.workers is None:
                history = model.fit(x, y, batch_size=4, **options)
            else:
                data = TensorDataset(x, y)
                loader = DataLoader(data, batch_size=4, shuffle=True, num_workers=self.workers)
                history = model.fit(loader, **options)
        reach("fit returned")
        model.save_weights(folder / "final.safetensors")
        write_json(folder / "history.json", {"epoch": history.epoch, **history.history})

    def saved(self, folder: Path) -> int:
        """Look that no checkpoint is damaged; how many were acknowledged nobody says here."""
        if (folder / "run").is_dir():
            for one in list_checkpoints(folder / "run", verify=True):
                assert not isinstance(one, Skipped), one
        return 0

    def result(self, folder: Path) -> dict[str, str]:
        """Return hashes of the files, and of the last checkpoint's tensors and state."""
        names = ("final.safetensors", "history.json", "log.csv", "best.safetensors")
        parts = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        with CheckpointStore(folder / "run") as store:
            found, skipped = store.newest()
        assert found is not None, skipped
        # The state names files by their folders, and each start of a proof may be in another one.
        parts["state"] = re.sub(r"'[^']*/(best\.safetensors|log\.csv)'", r"'\1'", repr(found.state))
        # By value: which tensors share memory may differ after a start.
        for name in sorted(found.tensors):
            parts[f"tensor {name}"] = f"{found.tensors[name].dtype} {found.tensors[name].tolist()}"
        return parts


class _Inside(nn.Module):
    """Lets itself be killed in the middle of a forward and of a backward pass."""

    def __init__(self, reach: Reach) -> None:
        super().__init__()
        self._reach = reach

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self._reach("mid-forward")
        if inputs.requires_grad:
            hook: Callable[[torch.Tensor], None] = lambda _: self._reach("mid-backward")  # noqa: E731
            inputs.register_hook(hook)  # type: ignore[no-untyped-call]  # torch annotates it not
        return inputs


class _Places(Callback):
    """Lets itself be killed in each hook."""

    def __init__(self, reach: Reach, where: str) -> None:
        self._reach = reach
        self._where = where

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._reach(f"{self._where} the callbacks at an epoch's begin")

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self._reach(f"{self._where} the callbacks at an epoch's end")

    def on_train_batch_begin(self, *_: Any, **__: Any) -> None:
        self._reach(f"{self._where} the callbacks at a batch's begin")

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self._reach(f"{self._where} the callbacks at a batch's end")

    def on_test_batch_end(self, *_: Any, **__: Any) -> None:
        self._reach(f"{self._where} the callbacks in validation")

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._reach(f"{self._where} the callbacks at the end")


FIT_SCENARIOS = (
    FitScenario("fit saved each epoch"),
    FitScenario("fit saved each batch", save_freq=1),
    FitScenario("fit saved in a thread", save_freq=2, asynchronous=True),
    FitScenario("fit from a DataLoader", save_freq=2, workers=0),
    FitScenario("fit from two workers", save_freq=4, workers=2, epochs=2),
    FitScenario(
        "fit with averages and partial gradients",
        save_freq=1,
        optimizer=lambda: Adam(use_ema=True, gradient_accumulation_steps=4),
    ),
)

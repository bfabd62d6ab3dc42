"""The trainings with skorch; its history file stands in for the CSV, and it has no NaN guard."""

import tempfile
from typing import Any

import numpy as np
import skorch
import torch
from nets import METRICS, build, loss_of
from skorch import callbacks
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from workloads import Workload

__all__ = ["WithSkorch"]


class Loss(torch.nn.Module):
    """A loss function as the module that skorch asks for."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.loss = loss_of(workload)

    def forward(self, outputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return self.loss(outputs, wanted)


def scorer(name: str) -> Any:
    """Return a score of a metric, from predictions that skorch kept."""

    def score(net: Any, x: Any, y: Any) -> float:
        outputs = torch.from_numpy(net.predict_proba(x))
        return METRICS[name](outputs, torch.from_numpy(np.asarray(y))).item() / len(outputs)

    return score


class WithSkorch:
    def __init__(self, workload: Workload) -> None:
        if workload.precision != "float32":
            raise NotImplementedError("skorch has half precision through accelerate alone")
        self.workload = workload
        self.folder = tempfile.TemporaryDirectory()
        chosen: list[Any] = []
        for name in workload.metrics:
            scored = callbacks.EpochScoring(
                scorer(name), name=name, on_train=True, lower_is_better=name != "accuracy"
            )
            chosen.append((f"train_{name}", scored))
            if workload.held_out is not None:
                best = callbacks.EpochScoring(
                    scorer(name), name=f"valid_{name}", lower_is_better=name != "accuracy"
                )
                chosen.append((f"valid_{name}", best))
        if workload.callbacks:
            chosen += [
                ("stop", callbacks.EarlyStopping(patience=10**6)),
                (
                    "best",
                    callbacks.Checkpoint(
                        monitor="valid_accuracy_best",
                        dirname=self.folder.name,
                        f_optimizer=None,
                        f_criterion=None,
                    ),
                ),
                (
                    "plateau",
                    callbacks.LRScheduler(
                        torch.optim.lr_scheduler.ReduceLROnPlateau,
                        monitor="valid_loss",
                        patience=10**6,
                    ),
                ),
            ]
        split = None
        if workload.held_out is not None:
            split = predefined_split(Dataset(*workload.held_out))
        self.net = skorch.NeuralNet(
            build(workload),
            criterion=Loss(workload),
            optimizer=torch.optim.Adam,
            optimizer__eps=1e-7,
            lr=1e-3,
            batch_size=workload.batch,
            iterator_train__shuffle=True,
            train_split=split,
            callbacks=chosen,
            verbose=0,
        )
        # skorch would make the module anew from its class; ours has its first weights already.
        self.net.initialize()

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        self.net.iterator_train__shuffle = shuffle
        self.net.partial_fit(self.workload.x, self.workload.y, epochs=epochs)
        return [float(row["train_loss"]) for row in self.net.history[-epochs:]]

"""What a step of `fit` costs above the same step in a loop by hand, and what looking at it adds."""

from collections.abc import Callable
from typing import Any

import torch
from rounds import Work, compare
from torch import nn
from torch.nn.functional import binary_cross_entropy

import epochal
from epochal.callbacks import Callback

STEPS = 250
BATCH = 32

torch.manual_seed(0)
X = torch.randn(STEPS * BATCH, 32)
Y = (X.sum(dim=1, keepdim=True) > 0).float()


class Empty(Callback):
    """A batch hook that looks at nothing."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class Reader(Callback):
    """A batch hook that waits for the loss of every batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen = logs["loss"]


def net() -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(32, 64), nn.ReLU()),
        *(nn.Linear(64, 64), nn.ReLU()),
        *(nn.Linear(64, 1), nn.Sigmoid()),
    )


def by_hand() -> float:
    module = net()
    optimizer = torch.optim.Adam(module.parameters(), eps=1e-7, fused=True)
    order = torch.randperm(len(X))
    total = torch.zeros(())
    for rows, wanted in zip(X[order].split(BATCH), Y[order].split(BATCH), strict=True):
        loss = binary_cross_entropy(module(rows), wanted)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.detach() * len(rows)
    return total.item() / len(X)


def with_fit(
    metrics: list[str] | None = None, callback: Callable[[], Callback] | None = None
) -> Work:
    def work() -> object:
        model = epochal.Model(net())
        model.compile("adam", "binary_crossentropy", metrics=metrics)
        callbacks = None if callback is None else callback()
        return model.fit(X, Y, batch_size=BATCH, callbacks=callbacks, verbose=0)

    return work


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare(
        "One step of 32-64-64-1, batch 32",
        "step",
        STEPS,
        {
            "loop by hand": by_hand,
            "fit": with_fit(),
            "fit, accuracy": with_fit(metrics=["accuracy"]),
            "fit, empty batch hook": with_fit(callback=Empty),
            "fit, hook that reads the loss": with_fit(callback=Reader),
        },
        rounds=21,
    )

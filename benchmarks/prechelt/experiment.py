"""One group of nets: trained by `fit`, recorded, and judged by every criterion with `replay`."""

from collections.abc import Sequence
from typing import Any, Final

import torch

import epochal
from epochal.callbacks import Callback, History
from epochal.stopping import (
    Criterion,
    GeneralizationLoss,
    LowProgress,
    Once,
    ProgressQuotient,
    SuccessiveIncreases,
    paper_criteria,
    replay,
)
from prechelt.nets import OUTPUTS, RUNS, NetErrors, Nets, RandomRprop, mean_errors, squared_error
from prechelt.problems import PERMUTATIONS, Group, Problem

__all__ = ["LIMIT", "name_of", "train"]

LIMIT: Final = 3000
"""Epochs after which a run ends in any case."""

_STRIP: Final = 5


def train(group: Group, data: Problem, limit: int = LIMIT) -> list[dict[str, Any]]:
    """Train the nets of a group and return what each criterion would have done to each.

    Returns:
        A record for each permutation, ready for the file of results.
    """
    x, y = data.train
    names = [f"net{index}" for index in range(len(PERMUTATIONS) * RUNS)]
    sizes = (x.shape[-1], *group.topology, y.shape[-1])
    nets = Nets(f"{group.problem} {group.shape}", len(PERMUTATIONS), sizes)
    model = epochal.Model(nets)
    model.compile(RandomRprop(nets.first_steps), squared_error, metrics=[NetErrors(names)])
    recording = Recording(names, data)
    history = model.fit(
        x,
        y,
        batch_size=len(x),
        epochs=limit,
        shuffle=False,
        validation_data=data.validation,
        validation_freq=_STRIP,
        callbacks=recording,
        verbose=0,
    )
    runs = [_judge(history, name, recording.ends.get(name)) for name in names]
    return [
        {
            "problem": group.problem,
            "permutation": permutation,
            "topology": group.shape,
            "runs": [
                {"outputs": kind, **run}
                for kind, run in zip(OUTPUTS, runs[index * RUNS :], strict=False)
            ],
        }
        for index, permutation in enumerate(PERMUTATIONS)
    ]


class Recording(Callback):
    """Adds test errors at the ends of strips, and ends `fit` when every net was trained for long.

    Args:
        names: The nets, as their errors are logged.
        data: The problem.
    """

    def __init__(self, names: Sequence[str], data: Problem) -> None:
        self.names = names
        self.x, self.y = data.test
        self.needs = tuple(names)
        self.provides = tuple(f"test_{name}" for name in names)
        self.open: dict[str, Criterion] = {}
        self.ends: dict[str, tuple[int, str]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self.ends = {}
        self.open = {name: _long_enough() for name in self.names}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % _STRIP == 0:
            with torch.no_grad():
                errors = mean_errors(self.y, self.model(self.x)).tolist()
            logs.update(zip(self.provides, errors, strict=True))
        for name, criterion in list(self.open.items()):
            verdict = criterion.update(epoch, logs[name], logs.get(f"val_{name}"))
            if verdict.stop:
                self.ends[name] = (epoch + 1, verdict.reason)
                del self.open[name]
        self.model.stop_training = not self.open


def _long_enough() -> Criterion:
    """Return the paper's rule for how long to record: until even the slowest have fired."""
    fired = (GeneralizationLoss(5, strip=5), SuccessiveIncreases(8), ProgressQuotient(3))
    first, second, third = map(Once, fired)
    return LowProgress() | (first & second & third)


def _judge(history: History, name: str, end: tuple[int, str] | None) -> dict[str, Any]:
    epochs, reason = end or (len(history.epoch), "the limit of epochs")
    curve = {
        column: _column(history, f"{prefix}{name}", epochs)
        for column, prefix in (("loss", ""), ("val_loss", "val_"), ("test_loss", "test_"))
    }
    rows = replay(curve, paper_criteria(_STRIP)).rows
    return {
        "epochs": epochs,
        "ended": reason,
        "criteria": {
            name_of(row.criterion): {
                "epochs": row.epochs,
                "best_after": row.best_after,
                "validation": row.validation,
                "test": row.test,
                "fired": row.stopped_epoch is not None,
            }
            for row in rows
        },
    }


def _column(history: History, name: str, epochs: int) -> list[float | None]:
    known = dict(zip(history.epochs_of[name], history.history[name], strict=True))
    return [known.get(epoch) for epoch in range(epochs)]


def name_of(criterion: Criterion) -> str:
    """Return the paper's name of one of its criteria."""
    if isinstance(criterion, SuccessiveIncreases):
        return f"UP{criterion.s}"
    if isinstance(criterion, GeneralizationLoss):
        return f"GL{criterion.alpha:g}"
    assert isinstance(criterion, ProgressQuotient)
    return f"PQ{criterion.alpha:g}"

"""Callbacks that set the learning rate."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LinearLR, OneCycleLR, StepLR

import epochal
from epochal.callbacks import LambdaCallback, LearningRateScheduler, ReduceLROnPlateau
from epochal.core.errors import UsageError, UsageTypeError

X, Y = torch.ones(8, 2), torch.zeros(8, 1)


def rates(callback, epochs=4, rate=1.0, **arguments):
    model = epochal.Model(nn.Linear(2, 1))
    model.compile(epochal.optimizers.SGD(rate), "mse")
    seen = []
    watch = LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(model.optimizer.learning_rate))
    )
    history = model.fit(
        X * 0, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=[callback, watch], **arguments
    )
    return seen, history.history["learning_rate"]


@pytest.mark.parametrize(
    "schedule",
    [
        lambda epoch, lr: 1.0 if epoch == 0 else lr / 2,
        lambda epoch: 0.5**epoch,
        lambda epoch, lr=None: np.float32(0.5**epoch),
        lambda epoch: torch.tensor(0.5**epoch),
        lambda epoch: np.array(0.5**epoch),
    ],
)
def test_the_rate_is_set_before_each_epoch_and_logged(schedule):
    seen, logged = rates(LearningRateScheduler(schedule), epochs=3)
    assert seen == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert logged == [1.0, 0.5, 0.25]


def test_by_batch_it_counts_batches_through_all_epochs():
    seen, logged = rates(LearningRateScheduler(lambda batch: 1 + batch, by="batch"), epochs=2)
    assert seen == [1.0, 2.0, 3.0, 4.0]
    assert logged == [2.0, 4.0]


def test_schedulers_of_torch_run_by_batch_and_by_epoch():
    model = epochal.Model(nn.Linear(2, 1))
    model.compile(epochal.optimizers.SGD(1.0), "mse")
    for make, by, steps in (
        (partial(OneCycleLR, max_lr=0.5, total_steps=9), "batch", 8),
        (partial(LinearLR, start_factor=0.5, total_iters=3), "batch", 8),
        (partial(StepLR, step_size=2), "epoch", 4),
    ):
        seen, _ = rates(LearningRateScheduler(make, by=by), epochs=4)
        parameter = nn.Parameter(torch.ones(1))
        parameter.grad = torch.zeros(1)
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        scheduler = make(optimizer)
        expected = []
        for _ in range(steps):
            optimizer.step()
            scheduler.step()
            expected.append(optimizer.param_groups[0]["lr"])
        first = make(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)).get_last_lr()[0]
        inside = [first, *expected[:-1]]
        # `watch` stands behind the callback, so by batch it sees what the next batch will have.
        assert seen == pytest.approx(expected if by == "batch" else np.repeat(inside, 2).tolist())


def test_an_error_inside_of_the_schedule_is_seen_as_it_is():
    def broken(epoch, lr):
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine"):
        rates(LearningRateScheduler(broken))


def test_what_is_no_schedule_is_refused(capsys):
    for wrong, match in (
        (3, "give a function"),
        (lambda: 1, "expected .epoch, lr."),
        (lambda a, b, c: 1, "expected .epoch, lr."),
    ):
        with pytest.raises(UsageTypeError, match=match):
            LearningRateScheduler(wrong)
    with pytest.raises(UsageError, match="did you mean 'batch'"):
        LearningRateScheduler(lambda e: 1.0, by="batchs")
    with pytest.raises(UsageTypeError, match="returned 'fast'"):
        rates(LearningRateScheduler(lambda epoch: "fast"))
    rates(LearningRateScheduler(lambda epoch: 0.5, verbose=1), epochs=1)
    assert capsys.readouterr().out == "LearningRateScheduler: epoch 1: learning rate 0.5\n"


@pytest.mark.parametrize(
    "callback", [LearningRateScheduler(lambda epoch: 0.1), ReduceLROnPlateau("loss")]
)
def test_an_optimizer_with_a_schedule_is_refused_before_training(callback):
    model = epochal.Model(nn.Linear(2, 1))
    schedule = epochal.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(epochal.optimizers.SGD(schedule), "mse")
    with pytest.raises(UsageError, match="schedule of its own"):
        model.fit(X, Y, verbose=0, callbacks=callback)


class Flat(epochal.callbacks.Callback):
    provides = ("score",)

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = self.values[epoch]


@pytest.mark.parametrize(
    ("values", "arguments", "reduced_after"),
    [
        ([1.0] * 6, {"patience": 1}, [1, 2, 3, 4, 5]),
        ([1.0] * 6, {"patience": 0}, [1, 2, 3, 4, 5]),
        ([1.0] * 7, {"patience": 1, "cooldown": 1}, [1, 3, 5]),
        ([1.0] * 8, {"patience": 1, "cooldown": 2}, [1, 4, 7]),
        ([1.0] * 7, {"patience": 2}, [2, 4, 6]),
        ([1.0, 0.9, 0.8, 0.7], {"patience": 1}, []),
        ([1.0, 0.95, 0.94, 0.93], {"patience": 2, "min_delta": 0.1}, [2]),
        (
            [10.0, 9.95, 9.92, 9.8],
            {"patience": 1, "min_delta": 0.01, "min_delta_mode": "relative"},
            [1, 2],
        ),
        ([float("nan"), 1.0, 1.0], {"patience": 1}, [0, 2]),
        ([1.0, 2.0, 3.0, 3.0], {"patience": 1, "mode": "max"}, [3]),
    ],
)
def test_the_rate_is_lowered_after_so_many_checks_without_improvement(
    values, arguments, reduced_after
):
    plateau = ReduceLROnPlateau("score", factor=0.5, **{"mode": "min", **arguments})
    model = epochal.Model(nn.Linear(2, 1))
    model.compile(epochal.optimizers.SGD(1.0), "mse")
    after = []
    note = LambdaCallback(on_epoch_begin=lambda e, logs: after.append(float(model.optimizer.lr)))
    model.fit(
        X,
        Y,
        epochs=len(values),
        verbose=0,
        callbacks=[Flat(values), plateau, note],
    )
    after.append(float(model.optimizer.lr))
    reduced = [epoch for epoch in range(len(values)) if after[epoch + 1] < after[epoch]]
    assert reduced == reduced_after
    assert after[-1] == 0.5 ** len(reduced_after)


def test_the_rate_never_falls_below_its_floor_and_the_message_says_why(capsys):
    seen, logged = rates(
        ReduceLROnPlateau("loss", min_delta=1e9, factor=0.1, patience=1, min_lr=0.05, verbose=1)
    )
    assert logged == [1.0, 1.0, 0.1, 0.05]
    assert (
        capsys.readouterr().out.splitlines()
        == [
            "ReduceLROnPlateau: epoch 2: loss is 0 (best 0); learning rate 1 -> 0.1",
            "ReduceLROnPlateau: epoch 3: loss is 0 (best 0); learning rate 0.1 -> 0.05",
        ]
        or seen
    )


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"factor": 1.0}, "factor is 1.0"),
        ({"factor": -0.5}, "factor"),
        ({"patience": -1}, "patience"),
        ({"cooldown": -1}, "cooldown"),
        ({"min_lr": -1.0}, "min_lr"),
        ({"pateince": 3}, "patience"),
        ({"min_delta_mode": "relativ"}, "did you mean 'relative'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        ReduceLROnPlateau(**arguments)

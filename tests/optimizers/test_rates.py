import copy
import json
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from epochal.core.errors import UsageError, UsageTypeError
from epochal.optimizers import SGD, Adam, TorchOptimizer
from epochal.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    FunctionSchedule,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
    TorchSchedule,
)


def built(optimizer):
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer.build([("w", weight)])
    return weight, optimizer


def step(weight, optimizer):
    weight.grad = torch.ones(1)
    optimizer.step()


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5)])
def test_the_rate_can_be_set_before_and_after_the_weights_are_known(value):
    optimizer = SGD(0.1)
    optimizer.learning_rate = value
    assert optimizer.learning_rate == optimizer.lr == 0.5
    weight, optimizer = built(optimizer)
    step(weight, optimizer)
    assert weight.item() == 0.5
    optimizer.lr = 0.25
    step(weight, optimizer)
    assert weight.item() == 0.25


def test_the_rate_read_assigns_to_its_optimizer():
    optimizer = Adam(0.1)
    optimizer.learning_rate.assign(torch.tensor(0.5))
    assert optimizer.learning_rate == 0.5


def test_the_rate_read_is_a_number_in_every_other_way():
    rate = Adam(0.1).learning_rate
    assert isinstance(rate, float)
    assert type(rate * 2) is float
    assert type(copy.deepcopy(rate)) is float
    assert type(pickle.loads(pickle.dumps(rate))) is float
    assert json.dumps({"lr": rate}) == '{"lr": 0.1}'
    assert f"{rate:.2e}" == "1.00e-01"
    assert rate.numpy() == 0.1


@pytest.mark.parametrize("value", ["fast", None, torch.zeros(2)])
def test_what_is_no_rate_is_refused(value):
    with pytest.raises(UsageTypeError, match="learning_rate is"):
        SGD().learning_rate = value


def test_a_rate_below_zero_is_refused():
    with pytest.raises(UsageError, match="0 or more"):
        SGD().learning_rate = -0.1


def test_a_schedule_decides_the_rate_of_each_batch():
    weight, optimizer = built(SGD(PiecewiseConstantDecay([0], [0.5, 0.125])))
    assert optimizer.learning_rate == 0.5
    step(weight, optimizer)
    assert weight.item() == 0.5
    assert optimizer.learning_rate == 0.125
    step(weight, optimizer)
    assert weight.item() == 0.375


def test_a_rate_under_a_schedule_cannot_be_set_and_the_error_names_the_schedule():
    optimizer = SGD(CosineDecay(0.1, 10))
    with pytest.raises(UsageTypeError, match="decided by CosineDecay"):
        optimizer.learning_rate = 0.1
    _, optimizer = built(SGD(TorchSchedule(partial(lr_scheduler.StepLR, step_size=1))))
    with pytest.raises(UsageTypeError, match="a scheduler of torch"):
        optimizer.learning_rate = 0.1


def test_a_schedule_can_take_a_numbers_place_during_training():
    weight, optimizer = built(SGD(0.5))
    step(weight, optimizer)
    optimizer.learning_rate = lambda batch: 0.25 if batch == 1 else 0.0
    step(weight, optimizer)
    assert weight.item() == 0.25


def test_an_optimizer_says_whether_its_rate_changes_by_itself():
    schedule = TorchSchedule(partial(lr_scheduler.StepLR, step_size=1))
    for rate, expected in ((0.1, False), (lambda: 0.1, True), (schedule, True)):
        optimizer = SGD(rate)
        assert optimizer.scheduled is expected
        assert built(optimizer)[1].scheduled is expected


def test_functions_with_and_without_a_step_are_schedules():
    assert SGD(lambda batch: 0.1 + batch).learning_rate == 0.1
    assert SGD(lambda: 0.3).learning_rate == 0.3
    with pytest.raises(UsageTypeError, match="cannot be called with a step"):
        SGD(lambda epoch, batch: 0.1)


def test_a_schedule_that_gives_no_rate_is_an_error():
    with pytest.raises(UsageError, match="learning_rate is nan"):
        _ = SGD(lambda: float("nan")).learning_rate


def test_a_schedule_of_ones_own_needs_a_call():
    class Empty(LearningRateSchedule):
        pass

    with pytest.raises(NotImplementedError, match="no __call__"):
        Empty()(0)
    assert FunctionSchedule(lambda batch: batch)(2) == 2.0


@pytest.mark.parametrize("by", ["batch", "epoch"])
def test_a_torch_schedule_steps_by_batch_or_epoch(by):
    schedule = TorchSchedule(
        partial(lr_scheduler.StepLR, step_size=1, gamma=0.5), by=by, initial_learning_rate=0.5
    )
    optimizer = SGD(schedule)
    assert optimizer.learning_rate == 0.5
    weight, optimizer = built(optimizer)
    step(weight, optimizer)
    assert optimizer.learning_rate == (0.25 if by == "batch" else 0.5)
    optimizer.end_epoch()
    assert optimizer.learning_rate == 0.25


def test_a_torch_schedule_steps_once_an_update_when_gradients_are_accumulated():
    schedule = TorchSchedule(partial(lr_scheduler.StepLR, step_size=1, gamma=0.5))
    weight, optimizer = built(SGD(schedule, gradient_accumulation_steps=2))
    step(weight, optimizer)
    assert optimizer.learning_rate == 0.001
    step(weight, optimizer)
    assert optimizer.learning_rate == 0.0005


def test_one_torch_schedule_serves_several_optimizers():
    schedule = TorchSchedule(partial(lr_scheduler.StepLR, step_size=1, gamma=0.5))
    first, second = built(SGD(schedule))[1], built(SGD(schedule))
    step(*second)
    assert first.learning_rate == 0.001


@pytest.mark.parametrize(
    "value",
    [
        lr_scheduler.StepLR,
        partial(lr_scheduler.StepLR, step_size=1),
        lr_scheduler.StepLR(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1), 1),
    ],
)
def test_a_bare_scheduler_of_torch_as_rate_points_at_torch_schedule(value):
    with pytest.raises(UsageTypeError, match="TorchSchedule"):
        SGD(value)


def test_a_torch_schedule_cannot_come_in_once_the_weights_are_known():
    _, optimizer = built(SGD(0.1))
    with pytest.raises(UsageTypeError, match="when it is made"):
        optimizer.learning_rate = TorchSchedule(partial(lr_scheduler.StepLR, step_size=1))


def test_a_scheduler_that_needs_a_metric_points_at_the_callback():
    with pytest.raises(UsageTypeError, match=r"epochal\.callbacks\.ReduceLROnPlateau"):
        built(SGD(TorchSchedule(lr_scheduler.ReduceLROnPlateau)))


def test_a_factory_that_makes_no_scheduler_is_refused():
    with pytest.raises(UsageTypeError, match=r"return a torch\.optim\.lr_scheduler"):
        built(SGD(TorchSchedule(lambda optimizer: 0.1)))


def test_a_torch_schedule_of_something_else_is_refused():
    bound = lr_scheduler.StepLR(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1), 1)
    with pytest.raises(UsageTypeError, match="goes into TorchOptimizer"):
        TorchSchedule(bound)
    with pytest.raises(UsageTypeError, match="unknown by 'step'"):
        TorchSchedule(lr_scheduler.StepLR, by="step")


def test_groups_with_rates_of_their_own_keep_their_proportion():
    a, b, c = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    inner = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.01}], lr=0.1)
    inner.add_param_group({"params": [c], "lr": torch.tensor(0.1)})
    optimizer = TorchOptimizer(inner)
    optimizer.learning_rate = 0.2
    assert [float(group["lr"]) for group in inner.param_groups] == pytest.approx([0.2, 0.02, 0.2])


@pytest.mark.parametrize("cls", [ExponentialDecay, InverseTimeDecay])
def test_decay_steps_of_zero_are_refused(cls):
    with pytest.raises(UsageError, match="decay_steps is 0"):
        cls(0.1, 0, 0.5)


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: PolynomialDecay(0.1, -1), "decay_steps is -1"),
        (lambda: CosineDecay(0.1, 0), "decay_steps is 0"),
        (lambda: CosineDecay(0.1, 10, warmup_steps=5), "without a warmup_target"),
        (lambda: CosineDecayRestarts(0.1, 0), "first_decay_steps is 0"),
        (lambda: CosineDecayRestarts(0.1, 10, t_mul=0.5), "t_mul is 0.5"),
        (lambda: PiecewiseConstantDecay([1], [0.1]), "1 boundaries and 1 values"),
        (lambda: PiecewiseConstantDecay([2, 1], [0.1] * 3), "growing steps"),
        (lambda: ExponentialDecay(0.1, 1, 0.5, staircse=True), "did you mean 'staircase'"),
    ],
)
def test_a_schedule_that_cannot_work_is_an_error(make, hint):
    with pytest.raises(UsageError, match=hint):
        make()


def test_restarts_come_on_time_where_logarithms_round():
    rate = CosineDecayRestarts(1.0, first_decay_steps=1, t_mul=3.0)
    assert all(rate((3**n - 1) // 2) == 1.0 for n in range(1, 12))

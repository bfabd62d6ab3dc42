"""EarlyStopping with a criterion: what it is told, when it stops, what it says and keeps."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import epochal
from epochal.callbacks import EarlyStopping, LambdaCallback
from epochal.core.errors import UsageError
from epochal.stopping import (
    Budget,
    Criterion,
    GeneralizationLoss,
    MinimumEpochs,
    Patience,
    ProgressQuotient,
    SuccessiveIncreases,
    Verdict,
)

SCORES = [3.0, 1.0, 2.0, 2.5, 4.0, 5.0]


class Told(Criterion):
    """Notes all it is told."""

    def start(self):
        self.points, self.spent = [], []

    def spend(self, *, seconds=0.0, steps=0, samples=0):
        self.spent.append((seconds, steps))

    def update(self, epoch, training, validation):
        self.points.append((epoch, training, validation))
        return Verdict(False, "goes on")


def compiled(**arguments):
    torch.manual_seed(0)
    model = epochal.Sequential([epochal.layers.Dense(1, input_dim=2)])
    model.compile("sgd", "mse", **arguments)
    return model


def fitted(stopping, model=None, epochs=6, **arguments):
    model = model or compiled()
    x = torch.arange(40.0).reshape(20, 2) / 40
    data = (x, x.sum(1, keepdim=True))
    arguments = {"validation_data": data, "batch_size": 5, "verbose": 0, **arguments}
    return model, model.fit(*data, epochs=epochs, **arguments)


def scored(criterion, **arguments):
    """A fit whose `score` is known, and the weights of every epoch."""
    model, states = compiled(), []

    def note(epoch, logs):
        states.append(model.get_weights())
        logs["score"] = SCORES[epoch]

    watcher = LambdaCallback(on_epoch_end=note)
    watcher.provides = ("score",)
    stopping = EarlyStopping("score", mode="min", criterion=criterion, **arguments)
    fitted(stopping, model, callbacks=[stopping, watcher])
    return model, states, stopping


@pytest.mark.parametrize(
    ("criterion", "stopped"),
    [
        (GeneralizationLoss(120), 3),
        (GeneralizationLoss(120) & MinimumEpochs(5), 4),
        (SuccessiveIncreases(2, strip=1), 3),
        (Patience(1), 2),
        (GeneralizationLoss(1e6) | Budget(epochs=2), 1),
        (GeneralizationLoss(1e6) | Budget(steps=9), 2),
        (GeneralizationLoss(1e6) | Budget(samples=40), 1),
        (GeneralizationLoss(1e6) | Budget(samples=41), 2),
        (GeneralizationLoss(1e6) | Budget(time=1e-9), 0),
        (GeneralizationLoss(1e6) | Budget(time="2h"), None),
    ],
)
@pytest.mark.parametrize("restore", [True, False])
def test_whatever_criterion_stops_the_best_weights_can_be_brought_back(criterion, stopped, restore):
    model, states, stopping = scored(criterion, restore_best_weights=restore)
    assert stopping.stopped_epoch == stopped
    assert len(states) == (6 if stopped is None else stopped + 1)
    assert stopping.best_epoch == (0 if stopped == 0 else 1)
    expected = states[stopping.best_epoch] if restore else states[-1]
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        assert (ours == theirs).all()


def test_it_is_told_the_training_value_the_validation_value_and_what_was_spent():
    told = Told()
    stopping = EarlyStopping(criterion=told)
    _, history = fitted(stopping, callbacks=stopping, epochs=3)
    assert told.points == list(
        zip(history.epoch, history.history["loss"], history.history["val_loss"], strict=True)
    )
    assert [steps for _, steps in told.spent] == [4, 4, 4]
    assert all(seconds > 0 for seconds, _ in told.spent)


def test_an_epoch_without_validation_gives_its_training_value_alone():
    told = Told()
    stopping = EarlyStopping(criterion=told)
    fitted(stopping, callbacks=stopping, epochs=4, validation_freq=2)
    assert [validation is None for _, _, validation in told.points] == [True, False, True, False]
    assert all(training > 0 for _, training, _ in told.points)


def test_a_metric_is_compared_with_its_own_training_value_in_its_own_direction():
    told = Told()
    stopping = EarlyStopping("val_acc", criterion=told)
    model = compiled(metrics=["acc"])
    _, history = fitted(stopping, model, callbacks=stopping, epochs=2)
    assert [point[1] for point in told.points] == history.history["acc"]
    assert told.sign == -1


def test_epochs_before_the_first_looked_at_are_spent_but_not_judged():
    told = Told()
    stopping = EarlyStopping(criterion=told, start_from_epoch=2)
    fitted(stopping, callbacks=stopping, epochs=4)
    assert [epoch for epoch, _, _ in told.points] == [2, 3]
    assert len(told.spent) == 4


def test_verbose_says_why_it_stopped(capsys):
    scored(GeneralizationLoss(120), verbose=1, restore_best_weights=True)
    assert capsys.readouterr().out.splitlines() == [
        "EarlyStopping: epoch 1: score: GL 0 % <= 120 %",
        "EarlyStopping: epoch 2: score: GL 0 % <= 120 %",
        "EarlyStopping: epoch 3: score: GL 100 % <= 120 %",
        "EarlyStopping: epoch 4: stopped early, score: GL 150 % > 120 % (best 1 (epoch 2))",
        "EarlyStopping: restoring the weights of epoch 2",
    ]


def driven(stopping, values, first=0):
    stopping.set_model(SimpleNamespace(stop_training=False))
    for epoch, value in enumerate(values, start=first):
        stopping.on_epoch_end(epoch, {"loss": value})
        if stopping.model.stop_training:
            break
    return stopping


def test_its_state_holds_what_the_criterion_remembers():
    def make():
        return EarlyStopping("loss", criterion=SuccessiveIncreases(3, strip=1))

    first, second = make(), make()
    for stopping in (first, second):
        stopping.set_model(SimpleNamespace(stop_training=False))
        stopping.on_train_begin()
    second.load_state_dict(driven(first, [1.0, 2.0, 3.0]).state_dict())
    assert driven(second, [4.0, 5.0], first=3).stopped_epoch == 3
    with pytest.raises(TypeError, match="with a criterion"):
        EarlyStopping("loss").load_state_dict(first.state_dict())


def test_a_loop_without_an_optimizer_has_no_steps_to_limit():
    stopping = EarlyStopping("loss", criterion=Budget(steps=9))
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    with pytest.raises(UsageError, match="nobody said how many steps"):
        stopping.on_epoch_end(0, {"loss": 1.0})


def test_a_second_fit_starts_anew():
    stopping = EarlyStopping(criterion=Budget(epochs=2))
    for _ in range(2):
        _, history = fitted(stopping, callbacks=stopping)
        assert history.epoch == [0, 1]
        assert stopping.reason == "2 of 2 epochs are used up"


@given(
    st.lists(st.floats(-4, 4).map(lambda value: round(value, 1)) | st.just(float("nan"))),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([None, 1.0]),
    st.sampled_from(["min", "max"]),
)
def test_the_arguments_of_keras_are_patience(values, patience, min_delta, baseline, mode):
    keras = EarlyStopping("loss", min_delta, patience, mode=mode, baseline=baseline)
    ours = EarlyStopping("loss", mode=mode, criterion=Patience(patience, min_delta, baseline))
    for stopping in (keras, ours):
        stopping.set_model(None)
        stopping.on_train_begin()
        driven(stopping, values)
    assert ours.stopped_epoch == keras.stopped_epoch


def test_what_a_criterion_cannot_be_told_is_a_problem_before_training():
    stopping = EarlyStopping("val_lossy", criterion=ProgressQuotient(1))
    watcher = LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    watcher.provides = ("val_lossy",)
    with pytest.raises(UsageError, match="nothing called 'lossy' will be logged"):
        fitted(stopping, callbacks=[watcher, stopping])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"criterion": "gl"}, "criterion is 'gl'"),
        ({"criterion": GeneralizationLoss}, "such as GeneralizationLoss"),
        ({"criterion": Patience(1), "patience": 2}, "beside a criterion"),
        ({"criterion": Patience(1), "min_delta": 2}, "beside a criterion"),
        ({"criterion": Patience(1), "baseline": 0}, "beside a criterion"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        EarlyStopping(**arguments)

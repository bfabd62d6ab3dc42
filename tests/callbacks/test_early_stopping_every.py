"""EarlyStopping(every=n): looks in the middle of epochs; and budgets of samples and steps."""

from types import SimpleNamespace

import pytest
import torch

import epochal
from epochal.callbacks import BackupAndRestore, Callback, EarlyStopping, LambdaCallback
from epochal.core.errors import UsageError
from epochal.stopping import Budget, Criterion, GeneralizationLoss, SuccessiveIncreases, Verdict

X = torch.arange(80.0).reshape(40, 2) / 80
Y = X.sum(1, keepdim=True)


class Told(Criterion):
    """Notes all it is told."""

    needs = frozenset({"samples"})

    def start(self):
        self.points, self.samples, self.steps = [], [], []

    def spend(self, *, seconds=None, steps=None, samples=None):
        if samples is not None:
            self.samples.append(samples)
        if steps is not None:
            self.steps.append(steps)

    def update(self, epoch, training, validation):
        self.points.append((epoch, training, validation))
        return Verdict(False, "goes on")


class Means(Callback):
    """Notes the loss of every batch, as a batch hook reads it."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, logs["loss"]))


class Cut(Exception):  # noqa: N818
    """The end of a process, as far as `fit` is concerned."""


def compiled(rate=0.1, **arguments):
    torch.manual_seed(0)
    model = epochal.Sequential([epochal.layers.Dense(1, input_dim=2)])
    model.compile(epochal.optimizers.SGD(rate), "mse", **arguments)
    return model


def fit(model, callbacks, epochs=3, **arguments):
    return model.fit(
        *(X, Y), batch_size=4, epochs=epochs, callbacks=callbacks, verbose=0, **arguments
    )


def test_it_looks_after_every_so_many_batches_of_an_epoch_at_the_mean_so_far():
    told, means = Told(), Means()
    fit(compiled(), [means, EarlyStopping("loss", criterion=told, every=4)], epochs=2)
    looks = [value for batch, value in means.seen if batch in (3, 7)]
    assert [(epoch, training) for epoch, training, _ in told.points] == [
        *((0, looks[0]), (0, looks[1])),
        *((1, looks[2]), (1, looks[3])),
    ]
    assert told.steps == [4, 4, 6, 4]


def test_a_stop_in_the_middle_of_an_epoch_ends_it_and_brings_back_the_weights_of_the_look():
    weights, model = [], compiled(rate=30.0)  # the loss grows from batch to batch
    note = LambdaCallback(on_batch_end=lambda batch, logs: weights.append(model.get_weights()))
    stopping = EarlyStopping("loss", patience=2, every=2, restore_best_weights=True)
    fit(model, [note, stopping])
    assert (stopping.stopped_epoch, stopping.best_epoch, stopping.batches_done) == (0, 0, 6)
    assert len(weights) == 6
    for ours, then in zip(model.get_weights(), weights[1], strict=True):
        assert (ours == then).all()


def test_without_it_there_is_no_batch_hook_and_so_no_logs_of_batches():
    assert EarlyStopping("loss").idle == ("on_train_batch_end",)
    assert EarlyStopping("loss", criterion=Budget(steps=3)).idle == ("on_train_batch_end",)
    assert EarlyStopping("loss", every=3).idle == ()
    assert EarlyStopping("loss", criterion=Budget(samples=3)).idle == ()


def test_a_call_that_stands_for_several_batches_is_one_look():
    told = Told()
    stopping = EarlyStopping("loss", criterion=told, every=2)
    fit(compiled(steps_per_execution=4), stopping, epochs=1)
    assert len(told.points) == 3  # after 4, 8 and 10 batches
    assert sum(told.samples) == 40


def test_verbose_says_after_which_batch(capsys):
    stopping = EarlyStopping("loss", patience=1, every=5, verbose=1)
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    stopping.on_epoch_begin(2)
    for batch in range(10):
        stopping.on_train_batch_end(batch, {"loss": 0.5})
    assert capsys.readouterr().out == (
        "EarlyStopping: epoch 3, batch 10: loss did not improve on 0.5 (epoch 3); 1 of 1\n"
    )


@pytest.mark.parametrize("every", [0, -2, 0.5, True])
def test_what_is_no_number_of_batches_is_refused(every):
    with pytest.raises(UsageError, match="give a number of batches"):
        EarlyStopping("loss", every=every)


def test_a_validation_value_is_refused_because_it_is_known_only_after_an_epoch():
    with pytest.raises(UsageError, match="monitor 'loss', or leave every out"):
        EarlyStopping(every=500)


def test_more_batches_than_an_epoch_has_is_an_error_before_training():
    with pytest.raises(UsageError, match=r"an epoch has 10 batches, .* give at most 10"):
        fit(compiled(), EarlyStopping("loss", every=11))


def test_more_batches_than_an_epoch_turns_out_to_have_is_an_error_after_it():
    def batches():
        for start in range(0, 40, 4):
            yield X[start : start + 4], Y[start : start + 4]

    class Unsized:
        def __iter__(self):
            return batches()

    with pytest.raises(UsageError, match=r"an epoch has 10 batches, .* give at most 10"):
        compiled().fit(Unsized(), verbose=0, callbacks=EarlyStopping("loss", every=11))


def test_samples_are_counted_as_they_pass_the_last_smaller_batch_too():
    told = Told()
    compiled().fit(
        X, Y, batch_size=16, epochs=2, verbose=0, callbacks=EarlyStopping("loss", criterion=told)
    )
    assert told.samples == [16, 16, 8, 16, 16, 8]


def test_in_a_loop_of_ones_own_nobody_counts_samples_and_the_budget_says_so():
    stopping = EarlyStopping("loss", criterion=Budget(samples=3))
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    stopping.on_epoch_begin(0)
    stopping.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(UsageError, match="nobody said how many samples"):
        stopping.on_epoch_end(0, {"loss": 1.0})


STOPS = {
    "every": lambda: EarlyStopping("loss", patience=2, every=3, restore_best_weights=True),
    "up every": lambda: EarlyStopping(
        "loss", criterion=SuccessiveIncreases(2, strip=2) | Budget(steps=23), every=3
    ),
    "steps": lambda: EarlyStopping("loss", criterion=Budget(steps=15)),
    "samples": lambda: EarlyStopping("loss", criterion=GeneralizationLoss(50) | Budget(samples=70)),
}


@pytest.mark.parametrize("kind", STOPS)
def test_cut_at_any_batch_and_resumed_it_stops_where_the_uncut_run_does(kind, tmp_path):
    def run(folder, cut=None):
        model, stopping, count = compiled(), STOPS[kind](), iter(range(1, 1000))

        def bomb(batch, logs):
            if next(count) == cut:
                raise Cut

        callbacks = [stopping, BackupAndRestore(folder, save_freq=1, delete_checkpoint=False)]
        if cut:
            callbacks.append(LambdaCallback(on_train_batch_begin=bomb))
        try:
            history = fit(model, callbacks).history
        except Cut:
            return None
        names = ("best", "best_epoch", "stopped_epoch", "wait", "reason", "steps_seen")
        state = [getattr(stopping, name) for name in names]
        return history, [w.tolist() for w in model.get_weights()], state

    whole = run(tmp_path / "whole")
    for cut in (2, 5, 11, 14):
        folder = tmp_path / str(cut)
        assert run(folder, cut) is None
        assert run(folder) == whole

"""Callback lists driven by hand, and what every callback has."""

import pytest
import torch

import epochal
from epochal.callbacks import Callback, CallbackList, History, LambdaCallback
from epochal.callbacks.base import HOOKS, now_and_then
from epochal.core.errors import UsageTypeError


def test_a_list_calls_every_hook_of_every_callback_in_order():
    calls = []

    def noting(who, hook):
        return lambda *position, **named: calls.append((who, hook))

    pair = [
        LambdaCallback(**{hook: noting(who, hook) for hook in HOOKS if hook[3:8] != "batch"})
        for who in "ab"
    ]
    group = CallbackList(pair, model="model", params={"epochs": 1})
    assert [callback.model for callback in group] == ["model", "model"]
    assert all(callback.params == {"epochs": 1} for callback in group)
    assert len(group) == 2
    for hook in HOOKS:
        if "epoch" in hook:
            getattr(group, hook)(0, {})
        elif "_batch_" in hook and hook[3:8] != "batch":
            getattr(group, hook)(0)
        elif hook[3:8] != "batch":
            getattr(group, hook)()
    expected = [(who, hook) for hook in HOOKS if hook[3:8] != "batch" for who in "ab"]
    assert calls == expected


def test_the_older_batch_hooks_are_called_in_place_of_the_newer():
    calls = []

    class Older(Callback):
        def on_batch_begin(self, batch, logs=None):
            calls.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            calls.append(("end", batch))

    group = CallbackList(Older())
    group.on_train_batch_begin(1)
    group.on_batch_begin(2)
    group.on_train_batch_end(3)
    group.on_batch_end(4)
    assert calls == [("begin", 1), ("begin", 2), ("end", 3), ("end", 4)]


def test_a_hook_that_nobody_has_costs_no_call():
    group = CallbackList([Callback(), History()])
    assert group.hooks("on_train_batch_end") == []
    group.append(LambdaCallback(on_train_batch_end=lambda batch, logs: None))
    assert len(group.hooks("on_train_batch_end")) == 1


def test_closing_closes_all_and_raises_the_first_error_with_its_origin():
    closed = []

    class Breaks(Callback):
        def close(self):
            closed.append(self)
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone") as caught:
        CallbackList([Breaks(), Breaks()]).close()
    assert len(closed) == 2
    assert caught.value.__notes__ == ["raised by Breaks.close"]


def test_nests_mappings_and_wrong_things():
    assert len(CallbackList({"a": Callback(), "b": [Callback()]})) == 2

    class Almost:
        def on_epoch_end(self, epoch, logs=None):
            pass

    with pytest.raises(UsageTypeError, match="it lacks"):
        CallbackList(Almost())
    with pytest.raises(UsageTypeError, match="make one"):
        CallbackList(History)
    with pytest.raises(UsageTypeError, match="give a function"):
        LambdaCallback(on_epoch_end=3)


def test_a_history_says_what_it_holds():
    history = History()
    assert repr(history) == "<History of 0 epochs: nothing>"
    history.on_epoch_end(0, {"loss": 1.0})
    assert repr(history) == "<History of 1 epochs: loss>"
    other = History()
    other.load_state_dict(history.state_dict())
    assert other.history == {"loss": [1.0]}


class Shows(Callback):
    def on_train_begin(self, logs=None):
        self.trained, self.tested, self.predicted = [], [], []

    on_predict_begin = on_train_begin

    @now_and_then
    def on_train_batch_end(self, batch, logs=None):
        self.trained.append((batch, logs["loss"]))

    @now_and_then
    def on_test_batch_end(self, batch, logs=None):
        self.tested.append(batch)

    @now_and_then
    def on_predict_batch_end(self, batch, logs=None):
        self.predicted.append((batch, logs["outputs"].shape))


class Counts(Callback):
    def on_train_begin(self, logs=None):
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)


@pytest.fixture
def small():
    model = epochal.Model(torch.nn.Linear(1, 1))
    model.compile("sgd", "mse")
    rows = torch.randn(301, 1)
    return model, rows, {"batch_size": 1, "verbose": 0}


def test_who_only_shows_is_told_of_the_first_and_the_last_batch_and_of_few_between(small):
    model, rows, arguments = small
    shows = Shows()
    given = {"validation_data": (rows, rows), "callbacks": shows, "shuffle": False}
    history = model.fit(rows, rows, **given, **arguments)
    seen = [batch for batch, _ in shows.trained]
    assert (seen[0], seen[-1], shows.tested[-1]) == (0, 300, 300)
    assert len(seen) < 150  # each would have to take 25 ms
    assert shows.trained[-1][1] == history.history["loss"][0]
    model.predict(rows, callbacks=shows, **arguments)
    assert shows.predicted[-1] == (300, (1, 1))
    assert len(shows.predicted) < 150


def test_where_somebody_counts_batches_all_are_told_of_each(small):
    model, rows, arguments = small
    shows, counts = Shows(), Counts()
    model.fit(rows, rows, callbacks=[shows, counts], **arguments)
    assert counts.batches == [batch for batch, _ in shows.trained] == list(range(301))


def test_with_several_steps_in_one_call_the_last_ones_are_told_too(small):
    model, rows, arguments = small
    model.compile("sgd", "mse", steps_per_execution=4)
    shows, counts = Shows(), Counts()
    model.fit(rows, rows, callbacks=counts, **arguments)
    assert counts.batches == [*range(3, 300, 4), 300]
    model.fit(rows, rows, callbacks=shows, **arguments)
    assert shows.trained[-1][0] == 300
    assert all(batch in counts.batches for batch, _ in shows.trained)


def test_rows_are_counted_for_each_pass_though_a_callback_evaluates_in_the_middle_of_one(small):
    model, rows, arguments = small

    class Asks(Callback):
        def on_train_begin(self, logs=None):
            self.seen = []

        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.evaluate(rows[:5], rows[:5], verbose=0)
                self.model.predict(rows[:3], verbose=0)
            self.seen.append(self.model.rows_seen)

        def on_test_batch_end(self, batch, logs=None):
            self.seen.append(self.model.rows_seen)

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(self.model.rows_seen)

    asks = Asks()
    arguments |= {"batch_size": 3, "validation_data": (rows[:4], rows[:4]), "callbacks": asks}
    model.fit(rows[:8], rows[:8], **arguments)
    trained, validated = [(3, 8), (6, 8), (8, 8)], [(3, 4), (4, 4)]
    assert asks.seen == [*trained, *validated, (8, 8)]

"""Callback lists driven by hand, and what every callback has."""

import pytest

from epochal.callbacks import Callback, CallbackList, History, LambdaCallback
from epochal.callbacks.base import HOOKS
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

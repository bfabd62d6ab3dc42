"""Where the time of an epoch goes."""

import time

import pytest
import torch
from rich.console import Console
from torch import nn

import epochal
from epochal.callbacks import Callback, LambdaCallback, Timer

X, Y = torch.randn(64, 3), torch.randn(64, 1)


def fitted(*callbacks, data=(X, Y), **arguments):
    model = epochal.Model(nn.Linear(3, 1))
    model.compile("sgd", "mse")
    model.fit(*data, epochs=2, verbose=0, callbacks=list(callbacks), **arguments)


class Sleeps(Callback):
    def __init__(self, hook, seconds=0.03):
        self.hook, self.seconds = hook, seconds

    def on_epoch_end(self, epoch, logs=None):
        if self.hook == "epoch":
            time.sleep(self.seconds)

    def on_train_batch_end(self, batch, logs=None):
        if self.hook == "batch":
            time.sleep(self.seconds)


def test_the_parts_add_up_to_the_whole_and_a_slow_hook_is_told_from_the_steps():
    for position in (0, 1):
        timer = Timer()
        callbacks = [Sleeps("batch", 0.01)]
        callbacks.insert(position, timer)
        with pytest.warns(UserWarning, match=r"Timer: the batch hooks of Sleeps took .* longer"):
            fitted(*callbacks, batch_size=16, validation_data=(X, Y))
        for epoch in timer.epochs:
            parts = sum(seconds for name, seconds in epoch.items() if name != "total")
            assert parts == pytest.approx(epoch["total"], rel=0.2, abs=0.01)
            assert epoch["callback: Sleeps"] >= 0.04
            assert epoch["step"] < epoch["callback: Sleeps"]


def test_slow_data_are_told_from_the_steps():
    def slow():
        for _ in range(4):
            time.sleep(0.02)
            yield X, Y

    timer = Timer()
    model = epochal.Model(nn.Linear(3, 1))
    model.compile("sgd", "mse")
    model.fit(slow(), verbose=0, callbacks=timer)
    assert timer.epochs[0]["data"] >= 0.05  # the first batch was fetched for the dry run


def test_the_table_names_everything_and_is_printed_when_asked_for(capsys):
    fitted(
        LambdaCallback(on_epoch_end=lambda epoch, logs: None), Timer(verbose=1, synchronize=True)
    )
    text = capsys.readouterr().out
    for part in ("data", "step", "other", "callback: LambdaCallback", "callback: History", "%"):
        assert part in text
    console = Console(record=True, width=80)
    timer = Timer()
    fitted(Sleeps("epoch"), timer)
    console.print(timer.table())
    lines = [line for line in console.export_text().splitlines() if "callback" in line]
    assert "Sleeps" in lines[0]  # longest first


def test_the_warning_comes_once_for_a_callback():
    with pytest.warns(UserWarning, match="Sleeps") as caught:
        fitted(Sleeps("batch"), Timer())
    assert len(caught) == 1

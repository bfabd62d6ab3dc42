"""A save in the middle of a run holds one moment of it."""

import copy
import pickle
import threading

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import epochal
from epochal.callbacks import Callback
from epochal.models import load_model

X = torch.rand(64, 2)
Y = X.sum(1, keepdim=True)


class Counted(nn.Module):
    """All of its numbers are the same after each step, and pass through others in between."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ParameterList([nn.Parameter(torch.zeros(20_000)) for _ in range(8)])

    def forward(self, x):
        return x.sum(1, keepdim=True) + sum(part.sum() for part in self.parts)


class Slow(epochal.Model):
    """Its step changes one weight after the other, and lets other threads run in between."""

    stepping = threading.Event()

    def train_step(self, data):
        for part in self.network.parts:
            with torch.no_grad():
                part.add_(1.0)
            self.stepping.set()
            threading.Event().wait(0.002)
        return {"loss": 0.0}


@pytest.mark.parametrize("ending", ["safetensors", "weights.h5"])
def test_a_save_in_another_thread_waits_for_the_end_of_the_step(tmp_path, ending):
    model, twin = Slow(Counted()), epochal.Model(Counted())
    model.compile("sgd", "mse")
    errors = []

    def saves():
        model.stepping.wait()
        try:
            for number in range(4):
                model.save_weights(tmp_path / f"{number}.{ending}")
        except Exception as error:  # shown by the assertion below
            errors.append(error)

    thread = threading.Thread(target=saves)
    thread.start()
    model.fit(X, Y, epochs=6, batch_size=16, verbose=0)
    thread.join()
    assert not errors
    for number in range(4):
        twin.load_weights(tmp_path / f"{number}.{ending}")
        assert len({float(v) for part in twin.network.parts for v in part.detach().unique()}) == 1


@pytest.mark.parametrize("ending", ["epochal", "safetensors"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_callback_saves_the_model_as_it_stands_between_two_steps(tmp_path, ending, swapped):
    path = tmp_path / f"m.{ending}"

    class SaveAt(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch != 2:
                return
            if swapped:
                self.model.optimizer.swap_average()
            self.model.save(path)
            self.seen = copy.deepcopy(self.model.state_dict())
            if swapped:
                self.model.optimizer.swap_average()

    save = SaveAt()
    model = epochal.Sequential([epochal.layers.Dense(4, input_dim=2), epochal.layers.Dense(1)])
    model.compile(epochal.optimizers.Adam(0.1, use_ema=True), "mse")
    model.fit(X, Y, batch_size=16, callbacks=save, verbose=0, shuffle=False)
    twin = load_model(path)
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in save.seen.items())
    if swapped:
        twin.optimizer.swap_average()
    twin.train_on_batch(X[48:], Y[48:])
    twin.optimizer.finalize_weights()
    for name, value in model.state_dict().items():  # as the run that went on
        assert torch.equal(value, twin.state_dict()[name])


def test_a_step_of_ones_own_may_save(tmp_path):
    class Saves(epochal.Model):
        def train_step(self, data):
            self.save_weights(tmp_path / "w.safetensors")
            return super().train_step(data)

    model = Saves(nn.Linear(2, 1))
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert set(load_file(tmp_path / "w.safetensors")) == {"weight", "bias"}


def test_a_compiled_model_can_be_copied_and_trained_apart():
    model = epochal.Model(nn.Linear(2, 1))
    model.compile("sgd", "mse")
    twin = copy.deepcopy(model)
    assert twin._compiled.turns.lock is not model._compiled.turns.lock
    with twin.still():
        twin.fit(X, Y, verbose=0)
    assert not torch.equal(twin.network.weight, model.network.weight)
    pickle.loads(pickle.dumps(model._compiled.turns))

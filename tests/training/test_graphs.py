"""A replayed step is the plain step. The GPU's recorder is stood in for by calling the step again.

What needs a GPU, the recording itself, is not covered here.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import epochal
from epochal import layers
from epochal.callbacks import Callback
from epochal.optimizers import SGD, Adam
from epochal.training.graphs import GraphStep, Step, is_safe

X = torch.randn(70, 6, generator=torch.Generator().manual_seed(0))
Y = (X.sum(dim=1, keepdim=True) > 0).float()


class Recorder:
    """Stands in for the GPU: a replay runs the step again and writes its results in one place."""

    def __init__(self) -> None:
        self.replays = 0

    def __call__(self, step: Step) -> Step:
        places: list[Tensor] = []

        def replay() -> Any:
            self.replays += 1
            loss, parts, outputs = step()
            if not places:
                places.extend([loss, outputs])
            places[0].copy_(loss)
            places[1].copy_(outputs)
            return places[0], parts, places[1]

        return replay


def make(optimizer: Any = None) -> Any:
    torch.manual_seed(0)
    model = epochal.Sequential(
        [
            layers.Dense(8, activation="relu", input_dim=6),
            layers.BatchNormalization(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer or Adam(0.01), "binary_crossentropy", metrics=["acc", "mae"])
    return model


def replaying(model: Any, recorder: Callable[[Step], Step]) -> GraphStep:
    """Let a model on the CPU do what one on a GPU does by itself."""
    from epochal.training.compiled import _Whole

    compiled = model._compiled
    compiled.fast = GraphStep(_Whole(compiled), compiled.optimizer, recorder)
    return compiled.fast


def fit(model: Any, **settings: Any) -> Any:
    torch.manual_seed(1)
    return model.fit(X, Y, verbose=0, **settings).history


class Halve(Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.01 / 2**epoch


@pytest.mark.parametrize(
    "optimizer", [lambda: Adam(0.01), lambda: SGD(0.01, momentum=0.9), lambda: SGD(0.01)]
)
def test_a_replayed_run_logs_and_learns_what_a_plain_one_does(
    optimizer: Callable[[], Any],
) -> None:
    recorder = Recorder()
    first, second = make(optimizer()), make(optimizer())
    step = replaying(first, recorder)
    fits = [
        fit(model, epochs=5, callbacks=Halve(), validation_data=(X, Y)) for model in (first, second)
    ]
    # Not always to the last bit: kernels sum in an order that depends on where memory begins.
    assert fits[0] == {name: pytest.approx(values, rel=1e-6) for name, values in fits[1].items()}
    states = first.state_dict(), second.state_dict()
    assert all(torch.allclose(states[0][n], states[1][n], rtol=1e-5) for n in states[1])
    assert first.optimizer.iterations == second.optimizer.iterations == 15
    assert step.works
    # The first step is torch's own, three are warm-up; the short batch of each epoch has come often
    # enough to be recorded only in the last.
    assert recorder.replays > 5


def test_a_step_that_cannot_be_recorded_is_trained_plainly() -> None:
    def refuses(step: Step) -> Step:
        raise RuntimeError("operation not permitted when stream is capturing")

    first, second = make(), make()
    step = replaying(first, refuses)
    histories = [fit(model, epochs=4) for model in (first, second)]
    assert not step.works
    assert histories[0] == histories[1]


def test_a_replay_that_does_something_else_is_found_out() -> None:
    def wrong(step: Step) -> Step:
        def replay() -> Any:
            computed = step()
            with torch.no_grad():
                first.layers[0].weight.add_(1.0)
            return computed

        return replay

    first, second = make(), make()
    step = replaying(first, wrong)
    histories = [fit(model, epochs=4) for model in (first, second)]
    assert not step.works
    assert histories[0] == histories[1]


def test_weights_that_are_frozen_later_stay() -> None:
    class Freeze(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 3:
                self.model.layers[0].trainable = False
                self.kept = self.model.layers[0].weight.detach().clone()

    model, freeze = make(), Freeze()
    replaying(model, Recorder())
    model.fit(X, Y, epochs=6, callbacks=freeze, verbose=0)
    assert torch.equal(model.layers[0].weight, freeze.kept)


class Counting(nn.Module):
    """Does something in Python that a replay would leave out."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_only_models_of_known_modules_without_hooks_are_recorded_unasked() -> None:
    model = make()
    model.predict(X, verbose=0)  # until it is called it notes its first input
    assert is_safe(model)
    assert is_safe(epochal.Model(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))))
    assert not is_safe(epochal.Model(nn.Sequential(nn.Linear(2, 2), Counting())))
    assert not is_safe(epochal.Sequential([layers.Dropout(0.5, seed=1)]))
    hooked = nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *_: None)
    assert not is_safe(epochal.Model(hooked))


def test_nothing_is_recorded_on_a_cpu() -> None:
    model = make()
    model.fit(X, Y, verbose=0)
    assert model._compiled.fast is None

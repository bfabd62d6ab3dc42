"""What `compile` says of how steps are run: half precision, hooks every few batches, bad input."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import epochal
from epochal import layers
from epochal.callbacks import Callback
from epochal.core.errors import UsageError
from epochal.optimizers import SGD, Adam

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = (X.sum(dim=1, keepdim=True) > 0).float()


def make(**settings: Any) -> Any:
    torch.manual_seed(0)
    model = epochal.Sequential(
        [layers.Dense(8, activation="relu", input_dim=6), layers.Dense(1, activation="sigmoid")]
    )
    model.compile(
        settings.pop("optimizer", "adam"), "binary_crossentropy", metrics=["acc"], **settings
    )
    return model


class Types(nn.Module):
    """Notes the type that its linear layer computes in."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)
        self.seen: list[torch.dtype] = []

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x)
        self.seen.append(out.dtype)
        return torch.sigmoid(out)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("bfloat16", torch.bfloat16),
        ("mixed_bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("mixed_float16", torch.float16),
        ("float32", torch.float32),
        (None, torch.float32),
    ],
)
def test_products_run_in_the_given_type_and_weights_stay(
    given: str | None, expected: torch.dtype
) -> None:
    module = Types()
    model = epochal.Model(module)
    model.compile("adam", "binary_crossentropy", metrics=["acc"], mixed_precision=given)
    model.fit(X, Y, validation_data=(X, Y), verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert set(module.seen) == {expected}
    assert module.linear.weight.dtype == torch.float32


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_what_full_precision_does(precision: str) -> None:
    full = make(optimizer=Adam(0.01)).fit(X, Y, epochs=20, verbose=0).history["loss"]
    half = make(optimizer=Adam(0.01), mixed_precision=precision)
    losses = half.fit(X, Y, epochs=20, verbose=0).history["loss"]
    assert losses == pytest.approx(full, rel=0.05)
    assert half.predict(X, verbose=0).dtype == np.float32  # probabilities are kept precise


def test_a_sure_prediction_is_no_longer_certain_in_half_precision() -> None:
    model = epochal.Sequential([layers.Dense(1, activation="sigmoid", input_dim=1)])
    model.layers[0].set_weights([np.array([[9.0]]), np.array([0.0])])
    model.compile("sgd", "binary_crossentropy", mixed_precision="bfloat16")
    assert model.predict([[1.0]], verbose=0)[0, 0] == pytest.approx(0.99988, abs=1e-5)


class Overflowing(nn.Module):
    """Its gradients overflow float16 once, in the second batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        out: Tensor = self.linear(x)
        return out * 1e36 if self.training and self.calls == 2 else out


def test_an_update_whose_gradients_overflow_is_left_out_and_the_scale_halved() -> None:
    model = epochal.Model(Overflowing())
    optimizer = SGD(0.01, weight_decay=0.1, clipnorm=1.0)
    model.compile(optimizer, "mae", mixed_precision="float16")
    seen: list[tuple[int, float, Tensor]] = []

    class Watch(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            state = optimizer.state_dict()
            weight = model.state_dict()["linear.weight"].clone()
            seen.append((optimizer.iterations, state["loss_scale"], weight))

    model.fit(X, Y, batch_size=16, callbacks=[Watch()], verbose=0)
    assert [updates for updates, _, _ in seen] == [1, 1, 2, 3]
    assert [scale for _, scale, _ in seen] == [65536.0, 32768.0, 32768.0, 32768.0]
    assert torch.equal(seen[0][2], seen[1][2])  # not even decayed
    assert not torch.equal(seen[1][2], seen[2][2])


def test_the_scale_of_the_loss_is_a_part_of_the_optimizers_state() -> None:
    model = make(mixed_precision="float16")
    model.fit(X, Y, verbose=0)
    state = {k: v.clone() if isinstance(v, Tensor) else v for k, v in _state(model).items()}
    state["loss_scale"], state["loss_scale_age"] = 128.0, 7
    other = make(mixed_precision="float16")
    other.fit(X, Y, verbose=0)
    other.optimizer.load_state_dict(state)
    assert _state(other)["loss_scale"] == 128.0
    assert _state(other)["loss_scale_age"] == 7


def _state(model: Any) -> dict[str, Any]:
    state: dict[str, Any] = model.optimizer.state_dict()
    return state


def test_a_factor_of_the_users_own_takes_the_place_of_the_automatic_one() -> None:
    model = make(optimizer=SGD(0.1, loss_scale_factor=64.0), mixed_precision="float16")
    model.fit(X, Y, verbose=0)
    assert "loss_scale" not in _state(model)
    unscaled = make(mixed_precision="float16", auto_scale_loss=False)
    unscaled.fit(X, Y, verbose=0)
    assert "loss_scale" not in _state(unscaled)


class Calls(Callback):
    """Notes the batch hooks."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.seen.append(f"begin {batch}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(f"end {batch}")
        self.losses.append(logs["loss"])


def test_batch_hooks_are_called_once_in_steps_per_execution_batches() -> None:
    often, seldom = Calls(), Calls()
    first, second = make(), make(steps_per_execution=3)
    first.fit(X, Y, batch_size=8, callbacks=[often], shuffle=False, verbose=0)
    second.fit(X, Y, batch_size=8, callbacks=[seldom], shuffle=False, verbose=0)
    assert seldom.seen == ["begin 0", "end 2", "begin 3", "end 5", "begin 6", "end 7"]
    assert seldom.losses == [often.losses[2], often.losses[5], often.losses[7]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jit_compile": "yes"}, "jit_compile is 'yes'; give True, False or 'auto'"),
        ({"jit_compile": True, "run_eagerly": True}, "exclude each other"),
        ({"steps_per_execution": 0}, "steps_per_execution is 0; give 1 or more"),
        ({"steps_per_execution": 2.5}, "give a whole number"),
        ({"mixed_precision": "bfloat"}, "did you mean 'bfloat16'"),
        ({"mixed_precision": "float16", "jit_compile": True}, "compiles no scaled loss"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**settings)


def test_auto_and_run_eagerly_change_nothing_on_a_cpu() -> None:
    histories = [
        make(**settings).fit(X, Y, epochs=2, verbose=0).history
        for settings in ({}, {"jit_compile": "auto"}, {"run_eagerly": True}, {"jit_compile": False})
    ]
    assert all(history == histories[0] for history in histories)

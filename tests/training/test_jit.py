"""A compiled step gives the plain step's numbers, and steps aside, saying so, where it cannot."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import epochal
from epochal import layers
from epochal.optimizers import SGD
from epochal.training import jit

X = torch.randn(70, 6, generator=torch.Generator().manual_seed(0))
Y = (X.sum(dim=1, keepdim=True) > 0).float()
LABELS = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()

# The compiler uses a part of torch that torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

Make = Callable[[], nn.Module]


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    """Forget compiled graphs: their number is bounded for all of a process."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def dense() -> nn.Module:
    return epochal.Sequential(
        [
            layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def plain_module() -> nn.Module:
    return epochal.Model(
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
    )


def train(make: Make, *, compiled: bool, epochs: int = 2, **settings: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model: Any = make()
    model.compile(
        SGD(0.1, momentum=0.9),
        "binary_crossentropy",
        metrics=["acc"],
        jit_compile=compiled,
        **settings,
    )
    history = model.fit(X, Y, epochs=epochs, validation_data=(X[:20], Y[:20]), verbose=0)
    return model, history.history


def near(first: Any, second: Any, slack: float = 1e-4) -> bool:
    return all(
        torch.allclose(value, second.state_dict()[name], rtol=slack, atol=slack)
        for name, value in first.state_dict().items()
    )


@pytest.mark.parametrize("make", [dense, plain_module])
def test_a_compiled_run_logs_and_learns_what_a_plain_one_does(make: Make) -> None:
    compiled, logged = train(make, compiled=True)
    plain, expected = train(make, compiled=False)
    assert compiled._compiled.fast.works  # the last batch has 6 rows: two shapes
    assert near(compiled, plain)
    assert {name: pytest.approx(values, rel=1e-4) for name, values in expected.items()} == logged


def test_half_precision_is_compiled_as_well() -> None:
    compiled, logged = train(dense, compiled=True, mixed_precision="bfloat16")
    _, expected = train(dense, compiled=False, mixed_precision="bfloat16")
    assert compiled._compiled.fast.works
    assert logged["loss"] == pytest.approx(expected["loss"], rel=0.02)


def test_dropout_draws_what_it_draws_in_a_plain_run() -> None:
    def noisy() -> nn.Module:
        return epochal.Sequential([layers.Dropout(0.5), layers.Dense(1, activation="sigmoid")])

    compiled, _ = train(noisy, compiled=True)
    plain, _ = train(noisy, compiled=False)
    assert compiled._compiled.fast.works
    assert near(compiled, plain, slack=1e-5)


class Following(nn.Module):
    """Puts a new tensor in its buffer's place at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = self.mean * 0.9 + x.mean().detach() * 0.1
        return torch.sigmoid(self.linear(x))


def test_a_buffer_that_is_replaced_at_every_step_goes_on() -> None:
    compiled, _ = train(lambda: epochal.Model(Following()), compiled=True)
    plain, _ = train(lambda: epochal.Model(Following()), compiled=False)
    assert compiled._compiled.fast.works
    assert near(compiled, plain, slack=1e-5)


class Hooked(nn.Module):
    """Changes a gradient on its way, which no graph of the forward pass knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)
        self.linear.weight.register_hook(lambda gradient: gradient / 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.linear(x))


class Asking(nn.Module):
    """Looks at a value to decide what to do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.linear(x if x.sum().item() > 0 else -x))


@pytest.mark.parametrize("module", [Hooked, Asking])
def test_what_cannot_be_compiled_is_trained_plainly_after_one_warning(
    module: Callable[[], nn.Module],
) -> None:
    with pytest.warns(UserWarning, match="runs as it is, uncompiled") as caught:
        compiled, logged = train(lambda: epochal.Model(module()), compiled=True)
    plain, expected = train(lambda: epochal.Model(module()), compiled=False)
    assert len([w for w in caught if "uncompiled" in str(w.message)]) == 1
    assert logged == expected
    states = compiled.state_dict(), plain.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


def test_an_error_of_the_users_own_is_raised_as_it_is() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            if len(x) != 2:  # the dry run is all right
                raise RuntimeError("the model's own")
            return torch.sigmoid(self.linear(x))

    with (
        pytest.warns(UserWarning, match="uncompiled"),
        pytest.raises(RuntimeError, match="the model's own"),
    ):
        train(lambda: epochal.Model(Broken()), compiled=True)


def test_a_weight_that_no_output_depends_on_is_not_decayed() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(6, 1), nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(self.used(x))

    torch.manual_seed(0)
    model = epochal.Model(Idle())
    model.compile("adamw", "binary_crossentropy", jit_compile=True)
    before = model.state_dict()["idle.weight"].clone()
    model.fit(X, Y, epochs=2, verbose=0)
    assert model._compiled is not None
    assert model._compiled.fast is not None
    assert model._compiled.fast.works
    assert torch.equal(model.state_dict()["idle.weight"], before)


def test_a_layer_frozen_between_two_fits_stays_as_it_is() -> None:
    model, _ = train(dense, compiled=True)
    model.layers[0].trainable = False
    before = model.layers[0].weight.detach().clone()
    model.fit(X, Y, verbose=0)
    assert model._compiled.fast.works
    assert torch.equal(model.layers[0].weight, before)


def test_a_weight_that_is_replaced_is_the_one_that_is_trained() -> None:
    model, _ = train(plain_module, compiled=True)
    first = model.network[0]
    other = torch.linspace(-1.0, 1.0, 48).reshape(8, 6)
    first.weight = nn.Parameter(other.clone())
    model.compile("adam", "binary_crossentropy", jit_compile=True)
    model.fit(X, Y, verbose=0)
    assert model._compiled.fast.works
    assert not torch.equal(first.weight, other)


def test_batches_of_many_shapes_are_not_all_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "_SHAPES", 2)
    batches = [(X[:rows], Y[:rows]) for rows in range(2, 12)]
    model: Any = plain_module()
    model.compile("adam", "binary_crossentropy", jit_compile=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(batches, verbose=0)
    assert model._compiled.fast.works
    assert len(model._compiled.fast._steps["train"]) == 2


def test_several_outputs_and_sample_weights_are_compiled() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 1), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"a": self.first(x), "b": torch.softmax(self.second(x), -1)}

    histories = []
    for compiled in (True, False):
        torch.manual_seed(0)
        model = epochal.Model(Two())
        losses = {"a": "mse", "b": "sparse_categorical_crossentropy"}
        model.compile("adam", losses, metrics={"b": ["acc"]}, jit_compile=compiled)
        weights = torch.linspace(0.5, 1.5, len(X))
        target = {"a": Y, "b": LABELS}
        history = model.fit(X, target, sample_weight=weights, epochs=2, verbose=0)
        histories.append(history.history)
        assert model._compiled is not None
        assert model._compiled.fast is None or model._compiled.fast.works
    assert {n: pytest.approx(v, rel=1e-4) for n, v in histories[1].items()} == histories[0]

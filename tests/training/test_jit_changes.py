"""What changes while a compiled step trains is seen by it: settings, weights, learning rates."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import epochal
from epochal import layers
from epochal.callbacks import Callback, LambdaCallback
from epochal.optimizers import SGD, Adam, Optimizer
from epochal.optimizers.schedules import ExponentialDecay

X = torch.randn(48, 6, generator=torch.Generator().manual_seed(0))
Y = (X.sum(dim=1, keepdim=True) > 0).float()

# The compiler uses a part of torch that torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    """Forget what other tests have compiled."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Settings:
    """Numbers of the user's own, in an object of the user's own."""

    def __init__(self) -> None:
        self.scale, self.times = 1.0, 1


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 1)
        self.dropout = nn.Dropout(0.1)
        self.settings = Settings()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(self.dropout(x))) * self.settings.scale * self.settings.times
        return torch.sigmoid(self.last(x))


def trained(
    compiled: bool,
    change: Callable[[Net], None] = lambda net: None,
    make: Callable[[], Optimizer] = lambda: Adam(0.01),
) -> Any:
    """Train for six batches; before the third and the fifth something changes."""
    torch.manual_seed(0)
    net = Net()
    model: Any = epochal.Model(net)
    model.compile(make(), "binary_crossentropy", jit_compile=compiled)
    changes = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: change(net) if batch in (2, 4) else None
    )
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=[changes])
    if compiled:
        assert model._compiled.fast.works
    return model


def near(first: Any, second: Any) -> bool:
    """Whether two models have the same weights, and their optimizers the same state."""
    states = first.optimizer.state_dict(), second.optimizer.state_dict()
    assert states[0].keys() == states[1].keys()
    pairs = [
        *zip(first.state_dict().values(), second.state_dict().values(), strict=True),
        *((states[0][name], states[1][name]) for name in states[0]),
    ]
    return all(
        torch.allclose(one, other, 1e-4, 1e-6) if isinstance(one, Tensor) else one == other
        for one, other in pairs
    )


def drops_more(net: Net) -> None:
    net.dropout.p += 0.2


def scales(net: Net) -> None:
    net.settings.scale *= 0.5


def counts(net: Net) -> None:
    net.settings.times += 1


def freezes_or_thaws(net: Net) -> None:
    net.first.requires_grad_(not net.first.weight.requires_grad)


def replaces_a_layer(net: Net) -> None:
    net.dropout = nn.Dropout(0.5) if isinstance(net.dropout, nn.Identity) else nn.Identity()  # type: ignore[assignment]  # on purpose


def swaps_a_weight(net: Net) -> None:
    net.last.weight = nn.Parameter(net.last.weight.detach() * 0.5)


def writes_a_weight(net: Net) -> None:
    with torch.no_grad():
        net.last.weight.mul_(0.5)


CHANGES = (
    drops_more,
    scales,
    counts,
    freezes_or_thaws,
    replaces_a_layer,
    swaps_a_weight,
    writes_a_weight,
)


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_a_change_between_two_batches_counts_from_the_next_one(
    change: Callable[[Net], None],
) -> None:
    assert near(trained(True, change), trained(False, change))


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "plain": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, momentum=0.9, nesterov=True),
    "amsgrad": lambda: Adam(0.01, amsgrad=True),
    "scheduled": lambda: Adam(ExponentialDecay(0.1, 2, 0.5)),
    "clipped": lambda: SGD(0.1, global_clipnorm=0.01),
    "averaged": lambda: Adam(0.01, use_ema=True),
    "accumulating": lambda: Adam(0.01, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_weights_and_the_optimizers_state_are_those_of_a_plain_run(
    make: Callable[[], Optimizer],
) -> None:
    compiled = trained(True, make=make)
    assert near(compiled, trained(False, make=make))
    assert all(weight.grad is None for weight in compiled.parameters())


def test_a_learning_rate_set_between_two_batches_compiles_nothing_anew() -> None:
    class Halves(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.1 / (batch + 1)

    models = []
    for compiled in (True, False):
        torch.manual_seed(0)
        model: Any = epochal.Model(nn.Sequential(nn.Linear(6, 1), nn.Sigmoid()))
        model.compile(Adam(0.1), "binary_crossentropy", jit_compile=compiled)
        with torch._dynamo.config.patch(recompile_limit=1):
            model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[Halves()])
        models.append(model)
    assert models[0]._compiled.fast.works
    assert near(*models)


def test_outputs_that_are_weights_are_scored_as_they_were_before_the_update() -> None:
    class Handing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.guess = nn.Parameter(torch.zeros(8, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.guess[: len(x)]

    found = []
    for compiled in (True, False):
        torch.manual_seed(0)
        model: Any = epochal.Model(Handing())
        model.compile(SGD(5.0), "mse", metrics=["mae"], jit_compile=compiled)
        history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history
        assert not compiled or model._compiled.fast.works
        found.append(history)
    assert {name: pytest.approx(values, rel=1e-5) for name, values in found[1].items()} == found[0]


def test_gradients_of_convolutions_lie_as_their_weights_do() -> None:
    pictures = torch.randn(32, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    labels = (pictures.sum((1, 2, 3)) > 0).float()[:, None]
    models = []
    for compiled in (True, False):
        torch.manual_seed(0)
        model: Any = epochal.Sequential(
            [
                layers.Conv2D(4, 3, activation="relu"),
                layers.Conv2D(5, 3),
                layers.Flatten(),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(Adam(0.01), "binary_crossentropy", jit_compile=compiled)
        model.fit(pictures, labels, batch_size=8, verbose=0, shuffle=False)
        models.append(model)
    assert models[0]._compiled.fast.works
    assert near(*models)


def test_a_copy_of_a_compiled_model_trains_its_own_weights() -> None:
    model = trained(True)
    copied = copy.deepcopy(model)
    before = [weight.clone() for weight in model.parameters()]
    copied.fit(X, Y, batch_size=8, verbose=0)
    assert copied._compiled.fast.works
    assert all(map(torch.equal, before, model.parameters()))
    assert not any(map(torch.equal, before, copied.parameters()))

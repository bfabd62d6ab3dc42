import pytest
import torch
from torch import nn

from epochal import activations
from epochal.core.errors import UsageError

NAMES = [
    n
    for n in activations.__all__
    if n[0].islower() and n not in ("get", "serialize", "deserialize")
]


def test_all_names_of_keras_are_there():
    assert len(NAMES) == 32


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("swish", "hard_swish")])
def test_a_function_is_found_again_under_its_name(name):
    function = getattr(activations, name)
    assert activations.deserialize(activations.serialize(function)) is function


def test_aliases_are_the_same_function():
    assert activations.get("swish") is activations.silu
    assert activations.get("hard_swish") is activations.hard_silu


def test_sparsemax_is_the_projection_onto_the_simplex():
    x = torch.linspace(-4, 7, 24).reshape(4, 6) * torch.tensor([1.0, -0.1, 0.3, 0.05]).unsqueeze(1)
    for axis in (0, 1):
        p = activations.sparsemax(x, axis)
        torch.testing.assert_close(p.sum(axis), torch.ones_like(p.sum(axis)))
        # At the nearest point, what is positive was moved by one and the same amount.
        for before, after in zip(x.movedim(axis, -1), p.movedim(axis, -1), strict=True):
            moved = (before - after)[after > 0]
            assert (before[after == 0] <= moved[0] + 1e-6).all()
            torch.testing.assert_close(moved, moved[0].expand_as(moved))


def test_gradients_flow_through_every_activation():
    for name in NAMES:
        x = torch.linspace(-2.1, 3.3, 6, requires_grad=True)
        arguments = (1.0, 0.0) if name == "threshold" else ()
        getattr(activations, name)(x, *arguments).sum().backward()
        assert torch.isfinite(x.grad).all(), name


def test_modules_and_functions_are_taken_as_they_are():
    module = nn.Tanh()
    assert activations.get(module) is module
    assert isinstance(activations.get(nn.ReLU), nn.ReLU)
    assert activations.get(torch.sin) is torch.sin


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activations.get("rlu"), "did you mean 'relu'"),
        (lambda: activations.get(3), "expected the name of an activation"),
        (lambda: activations.serialize(lambda x: x), "has no name to be saved under"),
        (lambda: activations.serialize(torch.relu), "has no name to be saved under"),
        (lambda: activations.serialize(nn.ReLU()), "has no name to be saved under"),
    ],
)
def test_what_cannot_work_is_one_clear_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()

"""Many nets of one shape as one module, the paper's RPROP, and the error of each net."""

from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

import torch
from torch import Tensor, nn

from epochal.metrics import Metric
from epochal.optimizers import Rprop

__all__ = ["OUTPUTS", "RUNS", "NetErrors", "Nets", "RandomRprop", "mean_errors", "squared_error"]

RUNS: Final = 3
OUTPUTS: Final = ("linear", "linear", "sigmoid")
"""The kind of output units of each run."""


class Nets(nn.Module):
    """Fully connected nets with all shortcuts: every unit sees the inputs and all layers below.

    There are `RUNS` nets for each permutation of the data. Those of a permutation share its inputs,
    so one product of matrices serves the first layer of all of them.

    Args:
        name: What the random weights are drawn from, so that a net is the same in any company.
        permutations: How many arrangements of the data there are.
        sizes: How many inputs, units of each hidden layer (0 for none), and outputs.
    """

    def __init__(self, name: str, permutations: int, sizes: Sequence[int]) -> None:
        super().__init__()
        inputs, *hidden, outputs = sizes
        self.widths = [width for width in hidden if width] + [outputs]
        below = [sum(self.widths[:layer]) for layer in range(len(self.widths))]
        # (permutation, run, from, to); one more input than there are, for the bias.
        shapes = [(inputs + 1, width) for width in self.widths]
        shapes += [(lower, width) for lower, width in zip(below, self.widths, strict=True) if lower]
        weights = [torch.empty(permutations, RUNS, *shape) for shape in shapes]
        self.first_steps = [torch.empty_like(weight) for weight in weights]
        for permutation in range(permutations):
            for run in range(RUNS):
                random = torch.Generator().manual_seed(
                    crc32(f"{name} {permutation} {run}".encode())
                )
                for weight, step in zip(weights, self.first_steps, strict=True):
                    weight[permutation, run].uniform_(-0.5, 0.5, generator=random)
                    step[permutation, run].uniform_(0.05, 0.2, generator=random)
        self.weights = nn.ParameterList(map(nn.Parameter, weights))
        self.is_sigmoid: Tensor
        mask = torch.tensor([kind == "sigmoid" for kind in OUTPUTS])
        self.register_buffer("is_sigmoid", mask[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (N, permutations, runs, outputs) for inputs (N, permutations, inputs)."""
        x = nn.functional.pad(x, (0, 1), value=1.0).transpose(0, 1)
        from_inputs, from_units = self.weights[: len(self.widths)], self.weights[len(self.widths) :]
        units = _side_by_side(x, from_inputs[0])
        below: list[Tensor] = []
        for direct, lateral in zip(from_inputs[1:], from_units, strict=True):
            below.append(nn.functional.softsign(units))
            units = _side_by_side(x, direct) + torch.cat(below, dim=-1) @ lateral
        outputs = torch.where(self.is_sigmoid, nn.functional.softsign(units), units)
        return outputs.permute(2, 0, 1, 3)


def _side_by_side(x: Tensor, weight: Tensor) -> Tensor:
    """Return (permutation, run, N, to): the nets' columns in one product for a permutation."""
    permutations, runs, inputs, width = weight.shape
    columns = weight.transpose(1, 2).reshape(permutations, inputs, runs * width)
    return (x @ columns).view(permutations, -1, runs, width).transpose(1, 2)


def squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the sum of all errors; each net's gradient depends on its own alone."""
    return mean_errors(y_true, y_pred).sum()


def mean_errors(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return the squared error percentage of each net, (permutations * runs,)."""
    # In PROBEN1 the range of the outputs, another factor of the definition, is 1.
    return 100 * (y_pred - y_true.unsqueeze(2)).square().mean((0, 3)).flatten()


class NetErrors(Metric):
    """The error of each net under a name of its own.

    Args:
        names: The names.
    """

    def __init__(self, names: Sequence[str], name: str = "net_errors") -> None:
        super().__init__(name=name)
        self.outputs = tuple(names)
        self.errors = self.add_weight((len(names),), name="errors")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        # One batch is all there is.
        self.errors.assign(mean_errors(y_true, y_pred))

    def result(self) -> dict[str, Tensor]:
        return dict(zip(self.outputs, self.errors.value.unbind(), strict=True))


class RandomRprop(Rprop):
    """RPROP as in the paper: every weight has a first step of its own.

    Args:
        first_steps: The steps, in the shapes of the weights.
    """

    def __init__(self, first_steps: Sequence[Tensor]) -> None:
        # The paper's smallest step is 0; one that changes no weight is the same.
        super().__init__(etas=(0.5, 1.1), step_sizes=(1e-30, 50.0))
        self.first_steps = first_steps

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        made = super()._make(parameters)
        for parameter, step in zip(parameters, self.first_steps, strict=True):
            made.state[parameter] = {
                "step": torch.tensor(0.0),
                "prev": torch.zeros_like(parameter),
                "step_size": step.clone(),
            }
        return made

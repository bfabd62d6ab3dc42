"""The nets of the benchmarks as plain torch modules, as one writes them without any library."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy
from workloads import Array, Layer, Workload, weights

__all__ = ["METRICS", "build", "inputs", "loss_of", "targets"]


class Images(nn.Module):
    """Takes (N, H, W, C) to torch's (N, C, H, W): a view, which is the channels_last layout."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2)


class Rows(nn.Module):
    """Flattens in the order of (H, W, C), so that weights mean the same as in Keras."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Last(nn.Module):
    """An LSTM that returns its last output; of torch's two biases one is trained, as in Keras."""

    def __init__(self, before: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(before, units, batch_first=True)
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.lstm(x)[0]
        return outputs[:, -1]


class Mean(nn.Module):
    """The mean of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def build(workload: Workload, channels_last: bool = True) -> nn.Module:
    """Return a net with its first weights; one for classes ends in logits."""
    parts: list[nn.Module] = []
    for kind, *numbers in workload.layers:
        if kind == "dense":
            parts.append(nn.Linear(*numbers[:2]))
            activation = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}.get(numbers[2])
            parts += [] if activation is None else [activation()]
        elif kind == "conv":
            parts += [] if parts else [Images()]
            parts += [nn.Conv2d(numbers[0], numbers[1], 3, padding=1), nn.ReLU()]
        elif kind == "norm":
            # The names of torch's two classes; momentum is what Keras calls 0.99.
            after_images = any(isinstance(part, nn.Conv2d) for part in parts[-2:])
            norm = nn.BatchNorm2d if after_images else nn.BatchNorm1d
            parts.append(norm(numbers[0], eps=1e-3, momentum=0.01))
        elif kind == "pool":
            parts.append(nn.MaxPool2d(2))
        elif kind == "flatten":
            parts.append(Rows())
        elif kind == "dropout":
            parts.append(nn.Dropout(numbers[0]))
        elif kind == "embedding":
            parts.append(nn.Embedding(*numbers))
        elif kind == "lstm":
            parts.append(Last(*numbers))
        elif kind == "encoder":
            width, heads, hidden, rate = numbers
            parts.append(nn.TransformerEncoderLayer(width, heads, hidden, rate, batch_first=True))
        elif kind == "mean":
            parts.append(Mean())
    net = nn.Sequential(*parts)
    _load(net, workload.layers)
    if channels_last:
        for parameter in net.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return net


def _load(net: nn.Module, layers: list[Layer]) -> None:
    values = iter(weights(layers))

    with torch.no_grad():
        for part in net.children():
            if isinstance(part, nn.Linear):
                _load_linear(part, values)
            elif isinstance(part, nn.Conv2d):
                _put(part.weight, next(values).transpose(3, 2, 0, 1))
                assert part.bias is not None
                _put(part.bias, next(values))
            elif isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
                for name in ("weight", "bias", "running_mean", "running_var"):
                    _put(part.state_dict()[name], next(values))
            elif isinstance(part, nn.Embedding):
                _put(part.weight, next(values))
            elif isinstance(part, Last):
                tensors = part.lstm.state_dict()
                for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
                    _put(tensors[name], next(values).T)
                tensors["bias_hh_l0"].zero_()
            elif isinstance(part, nn.TransformerEncoderLayer):
                _load_encoder(part, values)


def _put(into: Tensor, value: Array) -> None:
    into.copy_(torch.from_numpy(np.ascontiguousarray(value)).reshape(into.shape))


def _load_linear(part: nn.Linear, values: Iterator[Array]) -> None:
    _put(part.weight, next(values).reshape(part.in_features, part.out_features).T)
    _put(part.bias, next(values))


def _load_encoder(part: nn.TransformerEncoderLayer, values: Iterator[Array]) -> None:
    attention = part.self_attn
    width = attention.embed_dim
    for row in range(0, 3 * width, width):
        _put(attention.in_proj_weight[row : row + width], next(values).reshape(width, width).T)
        _put(attention.in_proj_bias[row : row + width], next(values))
    _load_linear(attention.out_proj, values)
    for norm, linears in ((part.norm1, (part.linear1, part.linear2)), (part.norm2, ())):
        _put(norm.weight, next(values))
        _put(norm.bias, next(values))
        for linear in linears:
            _load_linear(linear, values)


def inputs(array: Array) -> Tensor:
    """Return inputs or targets as a tensor over the same memory."""
    return torch.from_numpy(array)


targets = inputs


def loss_of(workload: Workload) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of outputs and targets."""
    return binary_cross_entropy if workload.binary else cross_entropy


def _hits(outputs: Tensor, wanted: Tensor) -> Tensor:
    if wanted.ndim == 1:
        return (outputs.argmax(1) == wanted).sum()
    return ((outputs > 0.5) == (wanted > 0.5)).sum()


# Sums over the rows of a batch.
METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "accuracy": _hits,
    "mae": lambda outputs, wanted: (outputs - wanted).abs().sum(),
    "mse": lambda outputs, wanted: (outputs - wanted).square().sum(),
}

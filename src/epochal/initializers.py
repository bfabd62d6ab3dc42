"""How weights begin: Keras' initializers, drawn from torch's generator.

An initializer is called with the shape of a weight **as Keras lays it out** (`(in, out)` for a
dense kernel, `(height, width, in, out)` for a convolution), so that fan-in and fan-out are those
that Keras computes. Values are always drawn on the CPU and then moved: one seed gives the same
weights on every device.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from epochal.core.config import Configurable
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.core.names import Registry

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "InitializerLike",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "draw",
    "get",
    "serialize",
]

# The standard deviation of a unit normal cut off at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configurable):
    """Base of everything that makes the first values of a weight.

    Use it to write your own: override `fill`, or pass any `f(shape, dtype=...)` where an
    initializer is asked for.

    Example:
        >>> class Twos(Initializer):
        ...     def fill(self, values):
        ...         values.fill_(2.0)
        >>> Twos()((2,))
        tensor([2., 2.])
    """

    def __call__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Return new values.

        Args:
            shape: The weight's shape in Keras' layout.
            dtype: Of the values.
            device: Where they go; the default device if `None`. On `"meta"` nothing is drawn, so
                no random number is used up.

        Returns:
            A tensor of that shape.
        """
        device = torch.device(device) if device is not None else torch.get_default_device()
        if device.type == "meta":
            return torch.empty(tuple(shape), dtype=dtype, device=device)
        values = torch.empty(tuple(shape), dtype=dtype, device="cpu")
        with torch.no_grad():
            self.fill(values)
        return values.to(device)

    def fill(self, values: Tensor) -> None:
        """Write the first values into `values`, in place."""
        raise NotImplementedError(f"{type(self).__name__} has no `fill(values)`; write one")


class _Random(Initializer):
    """An initializer that draws: from its own seed if it has one, else from torch's generator."""

    seed: int | None

    def generator(self) -> torch.Generator | None:
        """Return the source of one call; with a seed, every call draws the same values."""
        return None if self.seed is None else torch.Generator().manual_seed(self.seed)


class Zeros(Initializer):
    """All zeros, the default of every bias.

    Example:
        >>> Zeros()((2,))
        tensor([0., 0.])
    """

    def __init__(self, **unknown: Never) -> None:
        reject_unknown(Zeros.__init__, unknown)

    def fill(self, values: Tensor) -> None:
        """Write zeros."""
        values.zero_()


class Ones(Initializer):
    """All ones, the default of every normalisation's scale.

    Example:
        >>> Ones()((2,))
        tensor([1., 1.])
    """

    def __init__(self, **unknown: Never) -> None:
        reject_unknown(Ones.__init__, unknown)

    def fill(self, values: Tensor) -> None:
        """Write ones."""
        values.fill_(1.0)


class Constant(Initializer):
    """One number everywhere, or a whole array (such as pretrained embeddings).

    Args:
        value: A number, or anything `np.asarray` takes that broadcasts to the weight's shape.

    Example:
        >>> Constant([[1.0, 2.0]])((2, 2))
        tensor([[1., 2.],
                [1., 2.]])
    """

    def __init__(self, value: Any = 0.0, **unknown: Never) -> None:
        reject_unknown(Constant.__init__, unknown)
        self.value = value

    def fill(self, values: Tensor) -> None:
        """Write the value, broadcast."""
        values.copy_(torch.as_tensor(np.asarray(self.value)))

    def get_config(self) -> dict[str, Any]:
        """Return the value, an array as nested lists."""
        return {"value": np.asarray(self.value).tolist()}


class RandomNormal(_Random):
    """Normal values.

    Args:
        mean: Of the distribution.
        stddev: Its standard deviation.
        seed: An integer to draw the same values at every call; `None` for torch's generator.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, **unknown: Never
    ) -> None:
        reject_unknown(RandomNormal.__init__, unknown)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        values.normal_(self.mean, self.stddev, generator=self.generator())


class RandomUniform(_Random):
    """Uniform values, the default of embeddings.

    Args:
        minval: Lower end.
        maxval: Upper end.
        seed: An integer to draw the same values at every call; `None` for torch's generator.
    """

    def __init__(
        self,
        minval: float = -0.05,
        maxval: float = 0.05,
        seed: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(RandomUniform.__init__, unknown)
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        values.uniform_(self.minval, self.maxval, generator=self.generator())


class TruncatedNormal(_Random):
    """Normal values, those beyond two standard deviations drawn again.

    Args:
        mean: Of the normal distribution before it is cut.
        stddev: Its standard deviation before it is cut.
        seed: An integer to draw the same values at every call; `None` for torch's generator.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, **unknown: Never
    ) -> None:
        reject_unknown(TruncatedNormal.__init__, unknown)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        _truncated(values, self.mean, self.stddev, self.generator())


def _truncated(
    values: Tensor, mean: float, stddev: float, generator: torch.Generator | None
) -> None:
    low, high = mean - 2 * stddev, mean + 2 * stddev
    nn.init.trunc_normal_(values, mean, stddev, low, high, generator=generator)


class VarianceScaling(_Random):
    """Values whose variance is `scale / n`, `n` counted from the weight's shape.

    Args:
        scale: A positive factor.
        mode: `n` is the number of inputs (`"fan_in"`), of outputs (`"fan_out"`) or their mean
            (`"fan_avg"`).
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: An integer to draw the same values at every call; `None` for torch's generator.

    Raises:
        UsageError: If an argument is none of these.

    Example:
        >>> values = VarianceScaling(mode="fan_avg", distribution="uniform")((2, 4))
        >>> bool((values.abs() <= 1.0).all())
        True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(VarianceScaling.__init__, unknown)
        if scale <= 0:
            raise UsageError(f"VarianceScaling: got scale={scale!r}; expected a positive number")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise UsageError(f"VarianceScaling: got mode={mode!r}; expected one of {modes}")
        distribution = distribution.lower().replace("-", "_")
        distribution = "truncated_normal" if distribution == "normal" else distribution
        kinds = ("truncated_normal", "untruncated_normal", "uniform")
        if distribution not in kinds:
            raise UsageError(
                f"VarianceScaling: got distribution={distribution!r}; expected one of {kinds}"
            )
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        fan_in, fan_out = _fans(tuple(values.shape))
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, count))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            values.uniform_(-limit, limit, generator=self.generator())
        elif self.distribution == "untruncated_normal":
            values.normal_(0.0, stddev, generator=self.generator())
        else:
            _truncated(values, 0.0, stddev / _TRUNCATED_STDDEV, self.generator())


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return fan-in and fan-out of a weight in Keras' layout."""
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


class _Scaled(VarianceScaling):
    """A `VarianceScaling` with everything but the seed fixed by its name."""

    rule: tuple[float, str, str]

    def __init__(self, seed: int | None = None, **unknown: Never) -> None:
        reject_unknown(type(self).__init__, unknown)
        super().__init__(*self.rule, seed=seed)


class GlorotUniform(_Scaled):
    """Uniform within `sqrt(6 / (fan_in + fan_out))`: the default kernel (Glorot & Bengio, 2010).

    Example:
        >>> bool((GlorotUniform(seed=1)((3, 3)).abs() <= 1.0).all())
        True
    """

    rule = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance `2 / (fan_in + fan_out)` (Glorot & Bengio, 2010)."""

    rule = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within `sqrt(6 / fan_in)`, for relu networks (He et al., 2015)."""

    rule = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance `2 / fan_in`, for relu networks (He et al., 2015)."""

    rule = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within `sqrt(3 / fan_in)` (LeCun et al., 1998)."""

    rule = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance `1 / fan_in`, the one for selu (Klambauer et al., 2017)."""

    rule = (1.0, "fan_in", "truncated_normal")


class Orthogonal(_Random):
    """A random orthogonal matrix, the default of recurrent kernels (Saxe et al., 2014).

    A weight of more than two axes is seen as the matrix `(everything before, last axis)`.

    Args:
        gain: Multiplies the matrix.
        seed: An integer to draw the same values at every call; `None` for torch's generator.

    Example:
        >>> q = Orthogonal(seed=1)((3, 3))
        >>> bool(torch.allclose(q @ q.T, torch.eye(3), atol=1e-6))
        True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, **unknown: Never) -> None:
        reject_unknown(Orthogonal.__init__, unknown)
        self.gain, self.seed = gain, seed

    def fill(self, values: Tensor) -> None:
        """Draw the matrix."""
        if values.dim() < 2:
            raise UsageError(
                f"Orthogonal: got shape {tuple(values.shape)}; expected two axes or more"
            )
        matrix = values.view(-1, values.shape[-1])
        nn.init.orthogonal_(matrix, self.gain, generator=self.generator())


class Identity(Initializer):
    """The identity matrix, for square or rectangular matrices.

    Args:
        gain: Multiplies the matrix.

    Example:
        >>> Identity(2.0)((2, 2))
        tensor([[2., 0.],
                [0., 2.]])
    """

    def __init__(self, gain: float = 1.0, **unknown: Never) -> None:
        reject_unknown(Identity.__init__, unknown)
        self.gain = gain

    def fill(self, values: Tensor) -> None:
        """Write the matrix."""
        if values.dim() != 2:
            raise UsageError(f"Identity: got shape {tuple(values.shape)}; expected two axes")
        nn.init.eye_(values)
        values.mul_(self.gain)


InitializerLike: TypeAlias = str | Mapping[str, Any] | type[Initializer] | Callable[..., Any] | None
"""What an `..._initializer` argument takes: a name, a config, a class, an instance, a function."""

_REGISTRY = Registry[type[Initializer]]("initializer")
for _class, _aliases in (
    (Zeros, ("zero",)),
    (Ones, ("one",)),
    (Constant, ()),
    (RandomNormal, ("normal",)),
    (RandomUniform, ("uniform",)),
    (TruncatedNormal, ()),
    (VarianceScaling, ()),
    (GlorotNormal, ()),
    (GlorotUniform, ()),
    (HeNormal, ()),
    (HeUniform, ()),
    (LecunNormal, ()),
    (LecunUniform, ()),
    (Orthogonal, ("OrthogonalInitializer",)),
    (Identity, ("IdentityInitializer",)),
):
    _REGISTRY.add(_class, *_aliases)


def get(identifier: InitializerLike) -> Callable[..., Any] | None:
    """Return the initializer that `identifier` stands for.

    Args:
        identifier: A name (`"he_normal"`, `"HeNormal"`), a config, a class, an instance, any
            function `f(shape, dtype=...)`, or `None`, which stays `None`.

    Raises:
        UsageError: If the name is unknown or the thing cannot initialise anything.

    Example:
        >>> get("he_normal").get_config()
        {'seed': None}
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        return _REGISTRY[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise UsageTypeError(f"got {identifier!r}; expected the name of an initializer, or a callable")


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Return the class name and config from which `deserialize` makes the same initializer."""
    return {"class_name": type(initializer).__name__, "config": initializer.get_config()}


def deserialize(config: Mapping[str, Any]) -> Initializer:
    """Return the initializer that a config describes; its `config` part may be missing."""
    arguments = dict(config.get("config") or {})
    for axes in ("input_axes", "output_axes"):  # written by Keras, `None` unless set by hand
        if arguments.get(axes, 0) is None:
            del arguments[axes]
    return _REGISTRY[config["class_name"]].from_config(arguments)


def draw(
    initializer: Callable[..., Any],
    shape: Sequence[int],
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Return the first values of a weight from an `Initializer` or any `f(shape, dtype=...)`."""
    if isinstance(initializer, Initializer):
        return initializer(shape, dtype, device)
    values = torch.as_tensor(initializer(tuple(shape), dtype=dtype))
    return values.detach().to(dtype=dtype, device=device)

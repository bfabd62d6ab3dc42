"""What of torch's own a file may describe: a list, so that nothing is found by its name alone.

Everything here keeps its constructor's arguments in attributes of the same name, or is said how.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from epochal.core.errors import UsageError
from epochal.optimizers import TorchOptimizer
from epochal.optimizers.keywords import KeywordsWithoutDecay, OptimizerKeywords

__all__ = ["CONTAINERS", "MODULES", "arguments", "describe_module", "describe_optimizer", "makers"]

CONTAINERS: dict[str, type[nn.Module]] = {
    f"torch.nn.{kind.__name__}": kind for kind in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
}

_CONVOLUTION = (
    *("in_channels", "out_channels", "kernel_size", "stride", "padding"),
    *("dilation", "groups", "bias", "padding_mode"),
)
_TRANSPOSED = (*_CONVOLUTION[:5], "output_padding", *_CONVOLUTION[6:8], "dilation", "padding_mode")
_BATCH_NORM = ("num_features", "eps", "momentum", "affine", "track_running_stats")
_RECURRENT = (
    *("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"),
    "bidirectional",
)
_MAX_POOL = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")
_AVERAGE_POOL = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

_ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("in_features", "out_features", "bias"),
    nn.Bilinear: ("in1_features", "in2_features", "out_features", "bias"),
    nn.Identity: (),
    nn.Flatten: ("start_dim", "end_dim"),
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _CONVOLUTION),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _TRANSPOSED),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _BATCH_NORM),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), _BATCH_NORM),
    nn.LayerNorm: ("normalized_shape", "eps", "elementwise_affine", "bias"),
    nn.RMSNorm: ("normalized_shape", "eps", "elementwise_affine"),
    nn.GroupNorm: ("num_groups", "num_channels", "eps", "affine"),
    nn.Embedding: (
        *("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type"),
        *("scale_grad_by_freq", "sparse"),
    ),
    nn.GRU: _RECURRENT,
    nn.LSTM: (*_RECURRENT, "proj_size"),
    nn.RNN: (*_RECURRENT, "nonlinearity"),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _MAX_POOL),
    nn.AvgPool1d: _AVERAGE_POOL,
    **dict.fromkeys((nn.AvgPool2d, nn.AvgPool3d), (*_AVERAGE_POOL, "divisor_override")),
    **dict.fromkeys(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), ("output_size",)
    ),
    **dict.fromkeys(
        (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
        ("output_size", "return_indices"),
    ),
    **dict.fromkeys((nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d), ("padding",)),
    nn.Upsample: ("size", "scale_factor", "mode", "align_corners"),
    nn.PixelShuffle: ("upscale_factor",),
    nn.PixelUnshuffle: ("downscale_factor",),
    **dict.fromkeys(
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout), ("p", "inplace")
    ),
    **dict.fromkeys(
        (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Mish, nn.SELU, nn.Hardswish, nn.Hardsigmoid), ("inplace",)
    ),
    **dict.fromkeys((nn.ELU, nn.CELU), ("alpha", "inplace")),
    nn.LeakyReLU: ("negative_slope", "inplace"),
    nn.PReLU: ("num_parameters",),
    nn.GELU: ("approximate",),
    nn.Hardtanh: ("min_val", "max_val", "inplace"),
    nn.Softplus: ("beta", "threshold"),
    **dict.fromkeys((nn.Sigmoid, nn.Tanh, nn.Softsign, nn.LogSigmoid, nn.Tanhshrink), ()),
    **dict.fromkeys((nn.Softmax, nn.LogSoftmax, nn.Softmin), ("dim",)),
    nn.Threshold: ("threshold", "value", "inplace"),
    nn.Softshrink: ("lambd",),
    nn.Hardshrink: ("lambd",),
    nn.GLU: ("dim",),
    # Losses
    nn.CrossEntropyLoss: ("weight", "ignore_index", "reduction", "label_smoothing"),
    nn.NLLLoss: ("weight", "ignore_index", "reduction"),
    nn.BCELoss: ("weight", "reduction"),
    nn.BCEWithLogitsLoss: ("weight", "reduction", "pos_weight"),
    **dict.fromkeys((nn.MSELoss, nn.L1Loss, nn.SoftMarginLoss), ("reduction",)),
    nn.SmoothL1Loss: ("reduction", "beta"),
    nn.HuberLoss: ("reduction", "delta"),
    nn.KLDivLoss: ("reduction", "log_target"),
    nn.PoissonNLLLoss: ("log_input", "full", "eps", "reduction"),
}
_OTHERWISE: dict[str, Callable[[Any], Any]] = {
    "bias": lambda module: module.bias is not None and module.bias is not False,
}

MODULES: dict[str, type[nn.Module]] = {f"torch.nn.{kind.__name__}": kind for kind in _ARGUMENTS}

_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    f"torch.optim.{kind.__name__}": kind
    for kind in (
        *(torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop),
        *(torch.optim.Adagrad, torch.optim.Adadelta, torch.optim.Adamax, torch.optim.NAdam),
        *(torch.optim.RAdam, torch.optim.ASGD, torch.optim.Rprop, torch.optim.Adafactor),
    )
}


def arguments(module: nn.Module) -> dict[str, Any] | None:
    """Return what one of torch's modules was made with; None if it is not in the list."""
    names = _ARGUMENTS.get(type(module))
    if names is None:
        return None
    return {
        name: _OTHERWISE[name](module) if name in _OTHERWISE else getattr(module, name)
        for name in names
    }


def _arguments_of(optimizer: TorchOptimizer) -> tuple[str, dict[str, Any]]:
    """Return which of torch's optimizers `compile` was given, and with what.

    Raises:
        UsageError: If that cannot be told: a function makes it, or a scheduler goes with it.
    """
    given = optimizer.optimizer
    kinds = {kind: name for name, kind in _OPTIMIZERS.items()}
    if optimizer.lr_scheduler is None:
        if inspect.isclass(given) and given in kinds:
            return kinds[given], {}
        if isinstance(given, functools.partial) and given.func in kinds and not given.args:
            return kinds[given.func], dict(given.keywords)
        if (
            isinstance(given, torch.optim.Optimizer)
            and type(given) in kinds
            and len(given.param_groups) == 1
        ):
            takes = inspect.signature(type(given).__init__).parameters
            settings = {k: v for k, v in given.param_groups[0].items() if k in takes}
            return kinds[type(given)], {k: v for k, v in settings.items() if k != "params"}
    what = "with a scheduler of torch's" if optimizer.lr_scheduler is not None else "made by code"
    raise UsageError(f"the optimizer {optimizer.name} {what} cannot be described")


def describe_module(module: nn.Module) -> dict[str, Any] | None:
    """Return a loss of torch's as a description; None if that has tensors, or is not in the list.

    Example:
        >>> describe_module(nn.HuberLoss(delta=2.0))["config"]
        {'reduction': 'mean', 'delta': 2.0}
    """
    config = arguments(module)
    if config is None or any(isinstance(value, torch.Tensor) for value in config.values()):
        return None
    return {"class_name": f"torch.nn.{type(module).__name__}", "config": config}


def describe_optimizer(optimizer: TorchOptimizer) -> dict[str, Any]:
    """Return one of torch's optimizers, and what goes around its updates, as a description.

    Raises:
        UsageError: If it cannot be told how it is made.
    """
    name, settings = _arguments_of(optimizer)
    common = {key: getattr(optimizer, key) for key in OptimizerKeywords.__annotations__}
    inherited = {key: getattr(optimizer, key) for key in KeywordsWithoutDecay.__annotations__}
    return {"class_name": name, "config": {"settings": settings, "common": inherited | common}}


def makers() -> Mapping[str, Callable[..., Any]]:
    """Return what makes each of torch's losses and optimizers, by the name in files.

    Only these: what is made for `compile` is not held against the file's size.
    """
    named = {name: MODULES[name] for name in MODULES if name.endswith("Loss")}
    return {**named, **{name: _maker(kind) for name, kind in _OPTIMIZERS.items()}}


def _maker(kind: type[torch.optim.Optimizer]) -> Callable[..., TorchOptimizer]:
    def make(
        settings: Mapping[str, Any] | None = None, common: Mapping[str, Any] | None = None
    ) -> TorchOptimizer:
        chosen: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in (settings or {}).items()
        }
        return TorchOptimizer(functools.partial(kind, **chosen), **(common or {}))

    return make

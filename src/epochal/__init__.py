"""epochal: Keras' `compile`, `fit`, `evaluate` and `predict` on any `torch.nn.Module`.

Importing the package costs nothing: torch is imported when the first name that needs it is used.
"""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use
from epochal.core.version import __version__ as __version__

if TYPE_CHECKING:
    from epochal import activations as activations
    from epochal import backend as backend
    from epochal import callbacks as callbacks
    from epochal import constraints as constraints
    from epochal import datasets as datasets
    from epochal import initializers as initializers
    from epochal import layers as layers
    from epochal import losses as losses
    from epochal import metrics as metrics
    from epochal import models as models
    from epochal import ops as ops
    from epochal import optimizers as optimizers
    from epochal import regularizers as regularizers
    from epochal import stopping as stopping
    from epochal import utils as utils
    from epochal.layers import Input
    from epochal.models import Model, Sequential, register

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "register",
    "regularizers",
    "stopping",
    "utils",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.layers": "Input",
            "epochal.models": "Model Sequential register",
        },
        "activations backend callbacks constraints datasets initializers layers losses metrics "
        "models ops optimizers regularizers stopping utils",
    )

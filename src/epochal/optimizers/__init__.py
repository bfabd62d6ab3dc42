"""Optimizers: Keras' names and arguments over torch's algorithms. By name, class or instance."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.optimizers import schedules as schedules
    from epochal.optimizers.adaptive import Adafactor, Adam, Adamax, AdamW, Nadam
    from epochal.optimizers.base import Optimizer
    from epochal.optimizers.classic import SGD, Adadelta, Adagrad, RMSprop, Rprop
    from epochal.optimizers.from_torch import TorchOptimizer
    from epochal.optimizers.learning_rate import LearningRate
    from epochal.optimizers.registry import deserialize, get, serialize

__all__ = [
    "Optimizer",
    "get",
    "serialize",
    "deserialize",
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "Nadam",
    "Adafactor",
    "Rprop",
    "TorchOptimizer",
    "LearningRate",
    "schedules",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.optimizers.adaptive": "Adafactor Adam Adamax AdamW Nadam",
            "epochal.optimizers.base": "Optimizer",
            "epochal.optimizers.classic": "SGD Adadelta Adagrad RMSprop Rprop",
            "epochal.optimizers.from_torch": "TorchOptimizer",
            "epochal.optimizers.learning_rate": "LearningRate",
            "epochal.optimizers.registry": "deserialize get serialize",
        },
        "schedules",
    )

"""Optimizers: Keras' names and arguments over torch's algorithms. By name, class or instance."""

from epochal.optimizers import schedules
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

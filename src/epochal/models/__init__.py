"""Models: `compile`, `fit`, `evaluate`, `predict` around any `torch.nn.Module`."""

from epochal.models.formats import load_model
from epochal.models.functional import Functional
from epochal.models.model import Model
from epochal.models.registering import register
from epochal.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "load_model", "register"]

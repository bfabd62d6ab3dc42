"""Models: `compile`, `fit`, `evaluate`, `predict` around any `torch.nn.Module`."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.models.cloning import clone_model
    from epochal.models.formats import load_model
    from epochal.models.functional import Functional
    from epochal.models.model import Model
    from epochal.models.registering import register
    from epochal.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "register"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.models.cloning": "clone_model",
            "epochal.models.formats": "load_model",
            "epochal.models.functional": "Functional",
            "epochal.models.model": "Model",
            "epochal.models.registering": "register",
            "epochal.models.sequential": "Sequential",
        },
    )

"""A module with weights that can be looked at, exchanged, saved and wrapped."""

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar, Never

import numpy as np
import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.core.names import snake_case
from epochal.core.trees import map_leaves
from epochal.layers import InputLayer
from epochal.layers.freezing import Freezable
from epochal.models import weights
from epochal.models.calling import as_tensors, in_mode
from epochal.models.prefixes import PlainNames, without_wrappers
from epochal.models.summary import observed_shapes, print_summary

__all__ = ["BaseModel"]


class BaseModel(PlainNames, Freezable):
    """What `Model` is before it is trained.

    Args:
        module: The module to wrap; nothing for a subclass.
        name: What the model is called; if not given, its class or that of the module in snake case.
    """

    name: str

    def __init__(
        self,
        module: nn.Module | None = None,
        *outputs: Never,
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        if outputs or unknown.keys() & {"inputs", "outputs"} or isinstance(module, InputLayer):
            raise UsageTypeError(
                "Model: there is no functional API here: list the layers in a Sequential, or write "
                "a subclass of epochal.Model whose `forward(self, x)` calls them on tensors"
            )
        reject_unknown(BaseModel.__init__, unknown, "Model")
        super().__init__()
        self.name = name or snake_case(type(self).__name__)
        if module is None:
            return
        given: object = module  # widened: the annotation promises what is checked here
        if not isinstance(given, nn.Module):
            kind = f"the class {given.__name__}" if isinstance(given, type) else f"{given!r}"
            raise UsageTypeError(f"Model: got {kind}; give a torch.nn.Module object")
        self.network = module
        self._wraps = "network"
        self.name = name or snake_case(type(self.wrapped).__name__)

    _tells_training: ClassVar[bool] = False
    """Whether a subclass' `call` wants to know if the model is being trained."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        call = vars(cls).get("call")
        if call is not None:
            cls._tells_training = "training" in inspect.signature(call).parameters

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the outputs for a batch of inputs; override it (or `call`) in a subclass.

        Called by hand, the model also takes NumPy arrays, and `training=` as Keras' models do.
        """
        if "training" in named and not self._passes_training:
            training = named.pop("training")
            if training not in (None, self.training):
                with in_mode(self, bool(training)):
                    return self.forward(*inputs, **named)
        for one in inputs:
            if not isinstance(one, Tensor):
                inputs = as_tensors(self, inputs)
                break
        if self._wraps is not None:
            return self.network(*inputs, **named)
        call: Any = getattr(self, "call", None)
        if call is None:
            raise UsageError(
                f"{type(self).__name__} has no forward: write forward(self, x), or wrap a module "
                "with epochal.Model(module)"
            )
        if self._tells_training:
            named["training"] = self.training
        return call(*inputs, **named)

    @property
    def _passes_training(self) -> bool:
        """Whether a wrapped module's own `forward` has an argument of that name."""
        return self._wraps is not None and "training" in self.input_signature().parameters

    def input_signature(self) -> inspect.Signature:
        """Return the signature of what the inputs are passed to."""
        if self._wraps is not None:
            return inspect.signature(self.wrapped.forward)
        call: Any = getattr(self, "call", None)
        if type(self).forward is BaseModel.forward and call is not None:
            return _without(inspect.signature(call), "training", "mask")
        return _without(inspect.signature(self.forward), "training")

    def note_inputs(self, x: Any) -> None:
        """Remember what inputs look like, for `summary`."""
        self._seen = map_leaves(lambda leaf: torch.zeros_like(leaf[:1] if leaf.ndim else leaf), x)

    def sample_inputs(self) -> Any:
        """Return one row of zeros shaped like the inputs; None while these are not known.

        Use it to try the model out: `model.predict_step((model.sample_inputs(),))` calls `forward`
        as training does.

        Returns:
            A tensor, or nested ones, on the model's device.
        """
        first = next(self.parameters(), None)
        sample = self._sample()
        return sample if first is None else map_leaves(lambda leaf: leaf.to(first.device), sample)

    @property
    def wrapped(self) -> nn.Module:
        """The module after which weights and layers are named: the wrapped one, or the model."""
        return without_wrappers(self)

    def layer_shapes(self) -> dict[str, Any]:
        """Return each layer's output shape by name; nothing while no input has been seen.

        Layers of models inside are named after these, with a dot between.
        """
        sample = self.sample_inputs()
        return {} if sample is None else observed_shapes(self, lambda: self._pass(sample))

    def _pass(self, x: Any) -> Any:
        """Call the model on inputs as they are nested in data."""
        return self(x)

    def _sample(self) -> Any:
        return self._seen

    _seen: Any = None

    def summary(
        self,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        **unknown: Never,
    ) -> None:
        """Print a table of the layers: their output shapes and numbers of parameters.

        Args:
            print_fn: Called with the text instead of printing it.
            expand_nested: Whether to show the layers of models inside as well.
            show_trainable: Whether to show which layers are trained.
        """
        reject_unknown(BaseModel.summary, unknown, "summary")
        print_summary(
            self,
            self.name,
            self.layer_shapes(),
            print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
        )

    def add_loss(self, *losses: Never) -> None:
        """Say where a term of the loss belongs; `Layer.add_loss` is what is there.

        Raises:
            UsageError: Always.
        """
        del losses
        raise UsageError(
            f"{type(self).__name__}.add_loss: a model has none; call self.add_loss in the "
            "`forward` of an epochal.layers.Layer, or override compute_loss"
        )

    def count_params(self) -> int:
        """Return how many numbers the model's weights hold, buffers such as moving means included.

        Raises:
            UsageError: If the model has no weights yet because nobody knows its input's shape.
        """
        return weights.count(self)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of all weights, in the layers' order (Keras' layout for Keras' layers)."""
        return weights.get_arrays(self)

    def set_weights(self, arrays: Sequence[Any]) -> None:
        """Write all weights, as `get_weights` returned them.

        Raises:
            UsageError: If their number or a shape is wrong; then nothing is changed.
        """
        weights.set_arrays(self, arrays)


def _without(signature: inspect.Signature, *names: str) -> inspect.Signature:
    kept = [p for p in signature.parameters.values() if p.name not in names]
    return signature.replace(parameters=kept)

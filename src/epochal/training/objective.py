"""The one number that training makes smaller: the losses of all outputs, weighted and summed."""

from typing import Any, NamedTuple

from torch import Tensor

from epochal import losses
from epochal.core.errors import EpochalError, Problems
from epochal.losses import Loss
from epochal.training.outputs import (
    Output,
    check_weights,
    outputs_of,
    per_output,
    select,
    select_weight,
    target_of,
)

__all__ = ["Objective"]


class Term(NamedTuple):
    """One output's share."""

    output: Output
    loss: Loss
    weight: float


class Objective:
    """What `compile(loss=..., loss_weights=...)` asks for.

    Args:
        loss: A loss, or a list or dict of them by output; None if the model's own step computes it.
        loss_weights: Numbers in the same form; 1 by default.

    Raises:
        UsageError: If a name is unknown.
    """

    def __init__(self, loss: Any, loss_weights: Any = None) -> None:
        self.given = loss
        self.loss_weights = loss_weights
        self._losses = _looked_up(loss)
        self._terms: list[Term] = []
        self._only: Term | None = None
        self.names: tuple[str, ...] = ("loss",)

    def resolve(self, y: Any, prediction: Any, weights: Any, problems: Problems) -> None:
        """Settle which loss belongs to which output, and check targets against outputs.

        Args:
            y: All targets if they are arrays, else those of the first batch.
            prediction: The model's outputs for the first rows.
            weights: The sample weights of some rows; None without.
            problems: Where to note what cannot work.
        """
        if self._losses is None:
            problems.add("no loss is given; pass loss= to compile, as in compile('adam', 'mse')")
            return
        if y is None:
            problems.add("there are no targets: pass y, or data that gives (x, y)")
            return
        outputs = outputs_of(prediction)
        one_for_all = isinstance(self._losses, (Loss, str)) and isinstance(y, Tensor)
        if one_for_all and outputs[0].key is not None and len(outputs) > 1:
            # One target and one loss for a model of several outputs: the loss takes them all.
            outputs = [Output(None, "")]
        given = per_output(self._losses, outputs, "loss", problems)
        shares = per_output(self.loss_weights, outputs, "loss_weights", problems)
        check_weights(weights, outputs, problems)
        self._terms = []
        for output, loss, share in zip(outputs, given, shares, strict=True):
            if loss is None:
                continue
            target, predicted = target_of(y, output, problems), select(prediction, output)
            if target is None:
                continue
            if isinstance(loss, str):
                loss = losses.resolve_crossentropy(target, predicted)
            self._check(loss, target, predicted, output, problems)
            self._terms.append(Term(output, loss, 1.0 if share is None else float(share)))
        several = len(self._terms) > 1
        parts = [f"{term.output.name}_loss" for term in self._terms] if several else []
        self.names = ("loss", *parts)
        self._only = self._terms[0] if len(self._terms) == 1 else None

    def __call__(self, y: Any, prediction: Any, sample_weight: Any) -> tuple[Tensor, list[Tensor]]:
        """Return the total loss of a batch, and each output's own where there are several."""
        only = self._only
        if only is not None:
            if only.output.key is None:
                loss = only.loss(y, prediction, sample_weight)
            else:
                loss = only.loss(*_parts(y, prediction, sample_weight, only.output))
            return (loss if only.weight == 1.0 else loss * only.weight), []
        total: Any = 0.0
        parts = []
        for output, loss_of, weight in self._terms:
            loss = loss_of(*_parts(y, prediction, sample_weight, output))
            parts.append(loss.detach())
            total = total + loss * weight
        return total, parts

    @property
    def resolved(self) -> bool:
        """Whether it is settled which loss belongs to which output."""
        return bool(self._terms)

    def to(self, device: Any) -> None:
        """Move what losses hold (class weights) to the model's device."""
        for term in self._terms:
            if isinstance(term.loss, losses.TorchLoss):
                term.loss.to(device)

    @staticmethod
    def _check(loss: Loss, target: Any, predicted: Any, output: Output, problems: Problems) -> None:
        if not isinstance(target, Tensor) or not isinstance(predicted, Tensor):
            return  # a function of the user's own over a whole structure
        before = output.prefix().replace("_", ": ") if output.name else ""
        found = list(loss.check(target, predicted))
        for text in found:
            problems.add(f"{before}{text}")
        if found or problems:
            return
        rows = min(len(target), len(predicted))
        try:
            value = loss(target[:rows], predicted[:rows])
        except EpochalError as error:
            problems.add(f"{before}{error}")
            return
        if isinstance(value, Tensor) and value.ndim:
            problems.add(
                f"{before}the loss {loss.name} gives values of the shape {tuple(value.shape)}; "
                "training needs one number: use a reduction other than 'none'"
            )


def _looked_up(loss: Any) -> Any:
    """Return losses for what stands in a possibly nested argument; None stays None."""
    if loss is None:
        return None
    if isinstance(loss, dict) and "class_name" not in loss:
        return {key: _looked_up(item) for key, item in loss.items()}
    if isinstance(loss, (list, tuple)):
        return [_looked_up(item) for item in loss]
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        return "crossentropy"  # which one is settled when the outputs' shapes are known
    return losses.get(loss)


def _parts(y: Any, prediction: Any, sample_weight: Any, output: Output) -> tuple[Any, Any, Any]:
    """Return what an output's loss sees of a batch."""
    return select(y, output), select(prediction, output), select_weight(sample_weight, output)

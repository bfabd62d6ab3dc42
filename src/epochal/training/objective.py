"""The one number that training makes smaller: the losses of all outputs, weighted and summed."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from epochal import losses
from epochal.core.errors import EpochalError, Problems
from epochal.core.trees import is_record
from epochal.losses import Loss
from epochal.losses.registry import Reading, compares_one_output, reading
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
            how = _own_loss(prediction)
            problems.add(
                f"no loss is given; pass loss= to compile, as in compile('adam', 'mse'){how}"
            )
            return
        if y is None:
            how = _own_loss(prediction)
            problems.add(f"there are no targets: pass y, or data that gives (x, y){how}")
            return
        outputs = outputs_of(prediction)
        one_for_all = isinstance(self._losses, (Loss, str)) and isinstance(y, Tensor)
        # A user's own loss takes an object with attributes also where only one of them is there.
        several = len(outputs) > 1 or (_is_own(prediction) and not _one_output(self._losses))
        if one_for_all and several and outputs[0].key is not None:
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

    def readings(self) -> dict[Any, Reading]:
        """Return how each output is read by its loss, by the output's key."""
        return {term.output.key: reading(term.loss) for term in self._terms}

    def to(self, device: Any) -> None:
        """Move what losses hold (class weights) to the model's device."""
        for term in self._terms:
            if isinstance(term.loss, losses.TorchLoss):
                term.loss.to(device)

    def check_trained(self, weights: Iterable[nn.Parameter], problems: Problems) -> None:
        """Note losses with trainable weights that are not among the model's: nobody updates them.

        Args:
            weights: The model's.
            problems: Where to note them.
        """
        held = set(map(id, weights))
        for term in self._terms:
            if not isinstance(term.loss, losses.TorchLoss):
                continue
            named = term.loss.module.named_parameters()
            others = [name for name, p in named if p.requires_grad and id(p) not in held]
            if others:
                problems.add(
                    f"the loss {term.loss.name} has trainable weights ({', '.join(others)}) that "
                    "are not the model's, so its optimizer would never update them: keep the loss "
                    "in an attribute of the model, or freeze it with requires_grad_(False)"
                )

    @staticmethod
    def _check(loss: Loss, target: Any, predicted: Any, output: Output, problems: Problems) -> None:
        if not isinstance(target, Tensor) or not isinstance(predicted, Tensor):
            if compares_one_output(loss) and isinstance(target, Tensor):
                problems.add(_too_many(loss, predicted, output))
            return  # a function of the user's own over a whole structure
        before = output.prefix().replace("_", ": ") if output.name else ""
        if not target.ndim or not predicted.ndim:
            if target.ndim and not compares_one_output(loss):
                return  # a model that returns its loss, and a function that hands it on
            which = "targets are" if not target.ndim else "model's output is"
            problems.add(
                f"{before}the {which} a single number; expected one row for each sample (a "
                "DataLoader with batch_size=None gives what its dataset gives, as it is)"
            )
            return
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


def _is_own(prediction: Any) -> bool:
    """Return whether outputs come in an object that a loss may ask for more than its entries."""
    plain = (dict, OrderedDict)
    return is_record(prediction) or (
        isinstance(prediction, Mapping) and type(prediction) not in plain
    )


def _one_output(loss: Any) -> bool:
    return not isinstance(loss, Loss) or compares_one_output(loss)


def _own_loss(prediction: Any) -> str:
    """Return how to train on a loss that the model computes itself; nothing if it has none."""
    if isinstance(prediction, Mapping):
        found = "y_pred['loss']" if "loss" in prediction else ""
    else:
        found = "y_pred.loss" if isinstance(getattr(prediction, "loss", None), Tensor) else ""
    return found and (
        ". To train on the loss that the model returns, subclass epochal.Model and write `def "
        f"compute_loss(self, x, y, y_pred, sample_weight): return {found}`"
    )


def _too_many(loss: Loss, predicted: Any, output: Output) -> str:
    """Return a sentence about a loss of one output that meets several."""
    of = f"the output {output.name!r}" if output.name else "the model's output"
    names = [part.name for part in outputs_of(predicted)]
    if names == [""]:
        return f"{of} is a {type(predicted).__name__}; the loss {loss.name} takes a tensor"
    others = ", ".join(repr(name) for name in names)
    form = f"{{{names[0]!r}: ...}}" if isinstance(predicted, Mapping) else "[..., None]"
    return (
        f"{of} is a {type(predicted).__name__} of {len(names)} ({others}), and the loss "
        f"{loss.name} compares one tensor with the targets: say which output has which loss, as in "
        f"loss={form}, or give a function (y_true, y_pred) of them all"
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

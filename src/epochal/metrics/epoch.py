"""Any function of all targets and predictions of an epoch, exactly, in the one pass made anyway."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name
from epochal.core.names import snake_case
from epochal.metrics.base import Metric, as_tensor

__all__ = ["EpochMetric"]

Row = tuple[Tensor, Tensor, Tensor | None, Tensor]


class EpochMetric(Metric, coalesce=True):
    """A function of the whole epoch's arrays: scikit-learn's scores, a divergence of histograms.

    Where a plain function in `compile(metrics=[...])` is averaged over batches, this one is called
    once with everything, and so is exact. Targets and outputs are kept on the model's device until
    somebody reads the value.

    Args:
        fn: `fn(y_true, y_pred)` on NumPy arrays; returns a number, or a dict if `outputs` is given.
            In `weighted_metrics` it is called with `sample_weight=` as well.
        name: Name it is logged under; the function's own by default.
        needs: `"scores"`: outputs as the model gives them. `"labels"`: class numbers, the largest
            of several outputs or 1 above `threshold` for a single one; one-hot targets too.
        threshold: Where `"labels"` of a single output begin to be 1.
        direction: `"max"` or `"min"`, which way is better; for `mode="auto"`.
        outputs: The keys of the dict that `fn` returns; each is logged under its own name.
        max_samples: The most rows kept; None for all.
        overflow: With more rows, `"error"`, or `"reservoir"`: a random sample of that many, each
            row equally likely, the same in every run.

    Raises:
        UsageTypeError: If `fn` cannot be called.
        UsageError: If `needs`, `overflow` or `max_samples` is not what it can be; while updating,
            if there are too many rows.

    Example:
        >>> import numpy as np
        >>> def spread(y_true, y_pred):
        ...     return float(np.ptp(y_pred))
        >>> metric = EpochMetric(spread)
        >>> metric.update_state([0, 1], [0.25, 0.5]); metric.update_state([0], [1.0])
        >>> metric.name, metric.result()
        ('spread', 0.75)
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        needs: Literal["labels", "scores"] = "scores",
        threshold: float = 0.5,
        direction: Literal["max", "min"] | None = None,
        outputs: Sequence[str] = (),
        max_samples: int | None = None,
        overflow: Literal["error", "reservoir"] = "error",
        **unknown: Never,
    ) -> None:
        reject_unknown(EpochMetric.__init__, unknown)
        if not callable(fn):
            raise UsageTypeError(f"EpochMetric: fn is {fn!r}; give a function (y_true, y_pred)")
        for what, value, valid in (
            ("needs", needs, ("labels", "scores")),
            ("overflow", overflow, ("error", "reservoir")),
            ("direction", direction, ("max", "min", None)),
        ):
            if value not in valid:
                names = [word for word in valid if word]
                raise UsageError(f"EpochMetric: {unknown_name(f'value of {what}', value, names)}")
        if max_samples is not None and max_samples < 1:
            raise UsageError(f"EpochMetric: max_samples is {max_samples}; give 1 or more, or None")
        own = getattr(fn, "__name__", type(fn).__name__)
        super().__init__(name=name or snake_case(own.replace("<lambda>", "lambda")))
        self.fn = fn
        self.needs = needs
        self.threshold = threshold
        self.direction = direction
        self.outputs = tuple(outputs)
        self.max_samples = max_samples
        self.overflow = overflow
        self._rows: tuple[Row, ...] = ()
        self._seen = 0

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if not y_pred.ndim or y_true.shape[:1] != y_pred.shape[:1]:
            raise UsageError(
                f"{self.name}: got targets of shape {tuple(y_true.shape)} and predictions of shape "
                f"{tuple(y_pred.shape)}; expected as many rows of each"
            )
        weight = None if sample_weight is None else as_tensor(sample_weight, like=y_pred)
        if self._rows and (weight is None) != (self._rows[0][2] is None):
            raise UsageError(f"{self.name}: some batches have sample weights and others have none")
        keys = _random_keys(self._seen, len(y_pred), y_pred.device)
        self._rows = (*self._rows, (y_true, y_pred, weight, keys))
        self._seen += len(y_pred)
        if self.max_samples is not None and self._seen > self.max_samples:
            if self.overflow == "error":
                raise UsageError(
                    f"{self.name}: {self._seen} rows, above max_samples={self.max_samples}; raise "
                    "it, or pass overflow='reservoir' to score a random sample"
                )
            if sum(len(row[1]) for row in self._rows) > 2 * self.max_samples:
                self._rows = (self._sample(),)

    @override
    def result(self) -> Any:
        if not self._rows:
            nothing = float("nan")
            return dict.fromkeys(self.outputs, nothing) if self.outputs else nothing
        y_true, y_pred, weight, _ = self._sample()
        if self.needs == "labels":
            y_true, y_pred = self._labels(y_true, y_pred)
        arrays = [_flat(part).cpu().numpy() for part in (y_true, y_pred)]
        named = {} if weight is None else {"sample_weight": _flat(weight).cpu().numpy()}
        value = self.fn(*arrays, **named)
        if self.outputs and (not isinstance(value, Mapping) or set(value) != set(self.outputs)):
            got = sorted(value) if isinstance(value, Mapping) else type(value).__name__
            raise UsageError(f"{self.name}: fn returned {got}; expected {sorted(self.outputs)}")
        return value

    @override
    def reset_state(self) -> None:
        self._rows, self._seen = (), 0

    @override
    def merge_state(self, others: Iterable[Metric]) -> None:
        """Take in the rows that other metrics of this kind have seen, in their order.

        Args:
            others: Metrics of the same function; they stay as they are.

        Raises:
            UsageTypeError: If one is of another class.
            UsageError: If one has another function or other arguments, or has kept only a sample of
                its rows.
        """
        for other in others:
            if not isinstance(other, EpochMetric):
                raise UsageTypeError(
                    f"{self.name}: got a {type(other).__name__} to merge; expected an EpochMetric"
                )
            self._check_same(self._settings(), other._settings())
            if sum(len(row[1]) for row in other._rows) != other._seen:
                raise UsageError(
                    f"{self.name}: a sample of {other.max_samples} of {other._seen} rows cannot be "
                    "joined with other rows, each of which stands for one; raise max_samples"
                )
            for y_true, y_pred, weight, _ in other._rows:
                self.update_state(y_true, y_pred, weight)

    @override
    def _settings(self) -> dict[str, Any]:
        return {"fn": self.fn, "needs": self.needs, "threshold": self.threshold}

    @override
    def snapshot(self) -> tuple[Any, ...]:
        return self._rows, self._seen

    @override
    def restore(self, snapshot: tuple[Any, ...]) -> None:
        self._rows, self._seen = snapshot

    @override
    def state_dict(self) -> dict[str, Tensor]:
        if not self._rows:
            return {"seen": torch.tensor(0)}
        names = ("y_true", "y_pred", "sample_weight", "keys")
        parts = zip(names, _joined(self._rows), strict=True)
        return {"seen": torch.tensor(self._seen)} | {n: p for n, p in parts if p is not None}

    @override
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        if "seen" not in state:
            raise UsageError(
                f"metric {self.name!r}: got {sorted(state)}, expected 'seen' among them"
            )
        self._seen = int(state["seen"])
        self._rows = ()
        if "y_pred" in state:
            parts = state["y_true"], state["y_pred"], state.get("sample_weight"), state["keys"]
            self._rows = (parts,)

    def _sample(self) -> Row:
        """Return the rows with the smallest random keys, in the order they came."""
        y_true, y_pred, weight, keys = _joined(self._rows)
        if self.max_samples is None or len(keys) <= self.max_samples:
            return y_true, y_pred, weight, keys
        chosen = keys.topk(self.max_samples, largest=False, sorted=False).indices.sort().values
        weight = None if weight is None else weight[chosen]
        return y_true[chosen], y_pred[chosen], weight, keys[chosen]

    def _labels(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
            return y_true, (y_pred > self.threshold).to(torch.int64)
        if y_true.shape == y_pred.shape:
            y_true = y_true.argmax(-1)
        return y_true, y_pred.argmax(-1)


def _joined(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    y_true, y_pred, weight, keys = zip(*rows, strict=True)
    weights = [part for part in weight if part is not None]
    joined = torch.cat(weights) if weights else None
    return torch.cat(y_true), torch.cat(y_pred), joined, torch.cat(keys)


def _random_keys(start: int, count: int, device: torch.device) -> Tensor:
    """Return a random number for each of `count` rows, a function of the row's place alone.

    How the rows came in batches, and when somebody looked, then makes no difference to a sample.
    """
    # SplitMix64 (Steele, Lea and Flood, 2014), on 64-bit integers that wrap.
    key = torch.arange(start + 1, start + count + 1, device=device) * -0x61C8864680B583EB
    key = (key ^ _shifted(key, 30)) * -0x40A7B892E31B1A47
    key = (key ^ _shifted(key, 27)) * -0x6B2FB644ECCEEE15
    return key ^ _shifted(key, 31)


def _shifted(key: Tensor, bits: int) -> Tensor:
    return (key >> bits) & ((1 << (64 - bits)) - 1)  # as if the numbers had no sign


def _flat(tensor: Tensor) -> Tensor:
    """Return (N, 1) as (N,): what functions of NumPy arrays take; NumPy has no bfloat16."""
    tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return tensor.squeeze(-1) if tensor.ndim > 1 and tensor.shape[-1] == 1 else tensor

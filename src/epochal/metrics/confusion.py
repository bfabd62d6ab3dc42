"""Right and wrong positives and negatives at many thresholds, counted in one pass."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError
from epochal.functional.shapes import align, match_weights
from epochal.metrics.base import Metric, as_tensor, blocks
from epochal.metrics.thresholds import whole_number

__all__ = ["Batch", "Cells", "ConfusionMetric", "Grid", "ratio", "weighed"]


class Cells(NamedTuple):
    """The four counts at each threshold, each (T, L) for L labels."""

    true_positives: Tensor
    false_positives: Tensor
    true_negatives: Tensor
    false_negatives: Tensor


class Batch(NamedTuple):
    """Targets, scores and weights of one shape; the weights None where all are 1."""

    labels: Tensor
    scores: Tensor
    weight: Tensor | None


class Grid:
    """Thresholds; counts at all of them cost one pass over the scores, O(N + T).

    Args:
        thresholds: The thresholds in the order that counts are wanted in.
        clip: Whether scores outside of 0 to 1 are moved to its ends first; for thresholds in equal
            steps from 0 to 1.
    """

    def __init__(self, thresholds: Sequence[float], clip: bool) -> None:
        self._clip = clip
        order = np.argsort(np.asarray(thresholds, "float64"), kind="stable")
        self._ascending = torch.tensor(thresholds, dtype=torch.float64)[torch.from_numpy(order)]
        self._given = torch.from_numpy(np.argsort(order))
        self._sorted = bool((order == np.arange(len(order))).all())
        self._what = (tuple(thresholds), clip)
        self._near: Steps | None = None  # on the device and in the type of the latest scores

    # Equal if they count the same: metrics that see one batch then share the counts.

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self._what == other._what

    @override
    def __hash__(self) -> int:
        return hash(self._what)

    def cells(self, labels: Tensor, scores: Tensor, weight: Tensor | None = None) -> Cells:
        """Return the counts; a score is a positive strictly above a threshold, NaN never is.

        Args:
            labels: Which are true, bool (N, L).
            scores: (N, L).
            weight: float64 (N, L), or None.

        Returns:
            Counts in float64, (T, L).
        """
        if len(self._ascending) == 1 and scores.shape[1] == 1 and weight is None:
            return self._counted_by_kind(labels, scores)
        places, columns = len(self._ascending) + 1, labels.shape[1]
        counts = torch.zeros(columns * 2 * places, dtype=torch.float64, device=scores.device)
        first = torch.arange(columns, device=scores.device) * (2 * places)
        for true, found, *weights in blocks(labels, scores, *([] if weight is None else [weight])):
            # Types are converted apart: torch adds numbers of two types twenty times slower.
            place = self._places(found).add_(true.long(), alpha=places)
            if columns > 1:
                place += first
            _count_into(counts, place.flatten(), weights[0].flatten() if weights else None)
        counts = counts.view(columns, 2, places)
        # Both sums from their own end, no difference: a count of nothing is exactly 0.
        below = counts.cumsum(-1)[..., :-1].permute(1, 2, 0)
        above = counts.flip(-1).cumsum(-1).flip(-1)[..., 1:].permute(1, 2, 0)
        if not self._sorted:
            self._given = self._given.to(scores.device)
            below, above = below[:, self._given], above[:, self._given]
        return Cells(above[1], above[0], below[0], below[1])

    def _counted_by_kind(self, labels: Tensor, scores: Tensor) -> Cells:
        """Return what `cells` does for a single threshold, five times faster."""
        near = self._steps(scores).thresholds[0]
        kinds = torch.zeros(3, dtype=torch.int64, device=scores.device)
        for true, found in blocks(labels, scores):
            above = found > near
            kinds += torch.stack([part.count_nonzero() for part in (true & above, above, true)])
        hits, positives, trues = kinds.double().view(3, 1, 1)
        misses = trues - hits
        return Cells(hits, positives - hits, labels.numel() - positives - misses, misses)

    def _steps(self, scores: Tensor) -> "Steps":
        near = self._near
        if near is None or (near.table.device, near.thresholds.dtype) != (
            scores.device,
            scores.dtype,
        ):
            near = self._near = Steps.made(self._ascending, scores.dtype, scores.device)
        return near

    def _places(self, scores: Tensor) -> Tensor:
        """Return how many of the thresholds each score is above."""
        near = self._steps(scores)
        if self._clip:
            scores = scores.clamp(0.0, 1.0)
        scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        # A table leads to the first threshold that may not be below, and a few halvings among those
        # that share its entry to the place: ten times faster than a search among 200 thresholds.
        place = near.table.index_select(0, _entry(scores.flatten(), len(near.table)))
        flat, step = scores.flatten(), near.widest
        while step:
            there = near.thresholds.index_select(0, place + (step - 1))
            place.add_((flat > there).long(), alpha=step)
            step //= 2
        return place.view(scores.shape)


class Steps(NamedTuple):
    """Thresholds in ascending order, and where to look for the place of a score among them."""

    thresholds: Tensor
    """Followed by infinities, so that no look beyond the last needs a question."""
    table: Tensor
    """For each of so many equal parts of 0 to 1, how many thresholds lie in the parts before."""
    widest: int
    """The first halving: a power of two, above half of the most thresholds in one part."""

    @classmethod
    def made(cls, ascending: Tensor, dtype: torch.dtype, device: torch.device) -> "Steps":
        """Return the steps among thresholds, which lie in the host's memory."""
        thresholds = ascending.to(dtype)
        parts = 4 * len(thresholds)
        # By the same arithmetic as for scores: wherever rounding puts a threshold, an equal score
        # is put there as well, and a larger one never before it.
        held = torch.bincount(_entry(thresholds, parts), minlength=parts)
        table = held.cumsum(0) - held
        widest = 1 << (int(held.max()).bit_length() - 1)
        thresholds = torch.cat([thresholds, thresholds.new_full((2 * widest,), torch.inf)])
        return cls(thresholds.to(device), table.to(device), widest)


class ConfusionMetric(Metric):
    """Base of metrics that are made of counts at thresholds.

    Args:
        thresholds: The thresholds.
        cells: Which counts to keep, by their names in `Cells`; each becomes a weight.
        clip: Whether scores are moved into 0 to 1.
        top_k: Only the `k` best scores of a row may be positive; None: all may.
        class_id: The one entry of the last axis to look at; None: all entries.
        columns: How many labels are counted apart; 0 to count all in one, None if not known yet.
        dtype: Type of the weights.
        name: Name it is logged under.
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        cells: Sequence[str],
        clip: bool,
        top_k: int | None = None,
        class_id: int | None = None,
        columns: int | None = 0,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        kind = type(self).__name__
        self.top_k = None if top_k is None else whole_number(kind, "top_k", top_k, 1)
        self.class_id = None if class_id is None else whole_number(kind, "class_id", class_id, 0)
        self._grid = Grid(thresholds, clip)
        self._columns = columns
        shape = (len(thresholds),) if columns == 0 else (len(thresholds), columns)
        self._cells = {cell: self.add_weight(shape, name=cell) for cell in cells}
        for cell, weight in self._cells.items():
            setattr(self, cell, weight)  # where Keras keeps them: `metric.true_positives`

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Targets, 0 or 1, (N, ...).
            y_pred: Scores of the same shape.
            sample_weight: How much each sample counts, (N,), or each entry, (N, ...); or None.

        Raises:
            UsageError: If shapes do not fit, or, where no device has to be waited for, a target
                is neither 0 nor 1.
        """
        self._count(self._batch(y_true, y_pred, sample_weight))

    def _batch(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Batch:
        return self._once(weighed, y_true, y_pred, sample_weight, self.top_k, self.class_id)

    def _count(self, batch: Batch) -> None:
        """Add the counts of all entries together, or those of each label to its own."""
        counts = self._once(_cells, *batch, self._columns == 0, self._grid)
        for name, cell in self._cells.items():
            count = getattr(counts, name)
            cell.assign_add(count[:, 0] if self._columns == 0 else count)


def weighed(
    y_true: Any,
    y_pred: Any,
    sample_weight: Any = None,
    top_k: int | None = None,
    class_id: int | None = None,
) -> Batch:
    """Return targets, scores and weights in one shape.

    Args:
        y_true: Targets, 0 or 1, (N, ...).
        y_pred: Scores of the same shape.
        sample_weight: (N,), or one for each entry, or None.
        top_k: How many of the best scores of a row are kept; others become `-inf`.
        class_id: The entry of the last axis to keep.

    Raises:
        UsageError: If shapes do not fit, or a target in the host's memory is neither 0 nor 1.
    """
    scores = as_tensor(y_pred)
    targets, scores = align(as_tensor(y_true, like=scores), scores)
    weight = None
    if sample_weight is not None:
        # Weights in float64, whatever the scores are: their sums are exact for longer.
        like = torch.empty((), dtype=torch.float64, device=scores.device).expand(scores.shape)
        weight = match_weights(as_tensor(sample_weight, like=scores), like).expand(scores.shape)
    labels = targets != 0
    if targets.is_cpu:  # elsewhere the question would make the loop wait for the device
        _check_binary(targets, labels, weight)
    if (top_k is not None or class_id is not None) and scores.ndim < 2:
        raise UsageError(
            f"top_k and class_id choose among the classes of a row, and y_pred has the shape "
            f"{tuple(scores.shape)}; give (N, classes)"
        )
    if top_k is not None:
        # Sorted stably: of equal scores the first class is in, on every device.
        best = scores.argsort(dim=-1, descending=True, stable=True)[..., :top_k]
        chosen = torch.zeros_like(labels).scatter_(-1, best, True)
        scores = torch.where(chosen, scores, -torch.inf)
    if class_id is not None:
        if class_id >= scores.shape[-1]:
            raise UsageError(
                f"class_id is {class_id}, and y_pred has the shape {tuple(scores.shape)}: classes "
                f"go from 0 to {scores.shape[-1] - 1}"
            )
        labels, scores = labels[..., class_id], scores[..., class_id]
        weight = None if weight is None else weight[..., class_id]
    return Batch(labels, scores, weight)


def ratio(part: Any, whole: Any) -> Tensor:
    """Return `part / whole`, 0 where the whole is 0.

    Example:
        >>> ratio(torch.tensor([1.0, 0.0]), torch.tensor([4.0, 0.0]))
        tensor([0.2500, 0.0000])
    """
    divided: Tensor = part / torch.where(whole == 0, torch.ones_like(whole), whole)
    return torch.where(whole == 0, torch.zeros_like(divided), divided)


def _cells(labels: Tensor, scores: Tensor, weight: Tensor | None, one: bool, grid: Grid) -> Cells:
    """Return the counts of a batch: of all entries as of one label, or of each label."""
    shape = (-1, 1 if one else scores.shape[-1])
    weight = None if weight is None else weight.reshape(shape)
    return grid.cells(labels.reshape(shape), scores.reshape(shape), weight)


def _entry(scores: Tensor, parts: int) -> Tensor:
    """Return in which of so many equal parts of 0 to 1 scores lie; never falls as they rise."""
    return (scores * parts).clamp_(0, parts - 1).long()


def _count_into(counts: Tensor, place: Tensor, weight: Tensor | None) -> None:
    if weight is None and place.is_cpu:
        counts += torch.bincount(place, minlength=len(counts))
        return
    # Elsewhere `bincount` asks the device for the largest place, and waits for the answer.
    ones = torch.ones((), dtype=torch.float64, device=place.device)
    counts.index_add_(0, place, ones.expand(len(place)) if weight is None else weight)


def _check_binary(targets: Tensor, labels: Tensor, weight: Tensor | None) -> None:
    parts = [targets.flatten(), labels.flatten()]
    if weight is not None:
        parts.append(weight.flatten())
    for target, label, *counted in blocks(*parts):
        wrong = label & (target != 1)
        if counted:
            wrong &= counted[0] != 0  # what does not count may hold any mark
        if wrong.any():
            raise UsageError(
                f"y_true holds {target[wrong][0].item():g}; targets of this metric are 0 or 1: "
                "make them `y_true > 0` (or one-hot, if they are class numbers)"
            )

"""The coefficient of determination."""

from typing import Any, Literal, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.functional.shapes import align
from epochal.metrics.base import Metric, as_tensor, blocks
from epochal.metrics.columns import sample_weight_of, weighted_sum

__all__ = ["R2Score"]

_AGGREGATIONS = ("uniform_average", "variance_weighted_average")
# Below this share of the squared targets, their variance is what sums in float64 leave behind.
_NOTHING = 1e-14


class R2Score(Metric, coalesce=True):
    """The coefficient of determination: which share of the targets' variance is explained.

    1 is perfect, 0 no better than the mean of the targets; it may be negative. For a constant
    target it is 1 where the predictions are right and 0 where they are not, as in scikit-learn;
    targets that differ by less than 1e-7 of their size count as constant.

    Args:
        class_aggregation: How the scores of several outputs become one: `"uniform_average"`,
            `"variance_weighted_average"` (by the variance of each), or None for all of them.
        num_regressors: Number of inputs of the model, for the adjusted score; 0 for the plain one.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If an argument cannot be one.

    Example:
        >>> round(float(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])), 4)
        0.5714
    """

    direction = "max"

    def __init__(
        self,
        class_aggregation: Literal["uniform_average", "variance_weighted_average"] | None = (
            "uniform_average"
        ),
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(R2Score.__init__, unknown)
        super().__init__(dtype=dtype, name=name)
        if class_aggregation not in (None, *_AGGREGATIONS):
            wrong = unknown_name("class_aggregation", str(class_aggregation), _AGGREGATIONS)
            raise UsageError(f"R2Score: {wrong}")
        if isinstance(num_regressors, bool) or not isinstance(num_regressors, int):
            raise UsageError(f"R2Score: num_regressors is {num_regressors!r}; give a whole number")
        if num_regressors < 0:
            raise UsageError(f"R2Score: num_regressors is {num_regressors}; give 0 or more")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.squared_sum = self.add_weight((None,), name="squared_sum")
        self.sum = self.add_weight((None,), name="sum")
        self.residual = self.add_weight((None,), name="residual")
        self.count = self.add_weight((None,), name="count")
        self.num_samples = self.add_weight(name="num_samples")

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Targets, (N, K) or (N,).
            y_pred: Outputs of the same shape.
            sample_weight: How much each sample counts, (N,), or each entry, (N, K); or None.

        Raises:
            UsageError: If the shapes do not fit.
        """
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if y_true.dtype != y_pred.dtype or not y_pred.is_floating_point():
            y_true, y_pred = y_true.double(), y_pred.double()
        true, pred = align(y_true, y_pred)
        if true.ndim == 1:
            true, pred = true.unsqueeze(-1), pred.unsqueeze(-1)
        if true.ndim != 2:
            raise UsageError(
                f"{self.name} needs y_true and y_pred of the shape (N, K) or (N,); got "
                f"{tuple(true.shape)}: flatten what belongs to one output"
            )
        parts = [true, pred]
        if sample_weight is not None:
            parts.append(sample_weight_of(sample_weight, true))
        for block in blocks(*parts, rows=max(1, 2**15 // max(1, true.shape[1]))):
            # Weights of 1 are made block by block: a million of them cost as much as the rest.
            self._add(*block, *([] if len(parts) == 3 else [sample_weight_of(None, block[0])]))

    def _add(self, true: Tensor, pred: Tensor, weight: Tensor) -> None:
        true, pred = true.double(), pred.double()
        self.squared_sum.assign_add(weighted_sum(true.square(), weight))
        self.sum.assign_add(weighted_sum(true, weight))
        self.residual.assign_add(weighted_sum((true - pred).square(), weight))
        if weight.ndim == 1:
            self.count.assign_add(weight.sum().expand(true.shape[1]))
            self.num_samples.assign_add((weight != 0).sum())
        else:
            self.count.assign_add(weight.sum(0))
            self.num_samples.assign_add((weight != 0).any(-1).sum())

    @override
    def result(self) -> Tensor:
        """Return the score, or one for each output with `class_aggregation=None`; 0 of nothing.

        The adjusted score is NaN while there are too few samples for `num_regressors`.
        """
        squared, residual, count = (
            weight.value for weight in (self.squared_sum, self.residual, self.count)
        )
        one = torch.ones_like(count)
        variation = squared - self.sum.value.square() / torch.where(count == 0, one, count)
        constant = variation <= _NOTHING * squared
        score = 1.0 - residual / torch.where(constant, one, variation)
        if_constant = (residual == 0) & (count != 0)
        if_constant = torch.where(residual.isnan(), residual, if_constant.to(score.dtype))
        score = torch.where(constant, if_constant, score)
        if self.class_aggregation == "uniform_average":
            score = score.mean()
        elif self.class_aggregation == "variance_weighted_average":
            share = torch.where(constant, 0.0, variation)
            share = torch.where(constant.all(), one, share)
            score = (share * score).sum() / share.sum()
        if self.num_regressors:
            samples = self.num_samples.value
            left = samples - self.num_regressors - 1
            adjusted = 1.0 - (1.0 - score) * (samples - 1) / left
            score = torch.where(left > 0, adjusted, torch.nan)
        return score

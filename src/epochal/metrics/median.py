"""The median of errors, which a few outliers cannot move."""

import math
from typing import Any, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown
from epochal.functional.shapes import align
from epochal.metrics.base import Metric, as_tensor
from epochal.metrics.mean import fit_weight

__all__ = ["MedianAbsoluteError"]


class MedianAbsoluteError(Metric, coalesce=True):
    """The (weighted) median of absolute errors: exact, over all samples seen.

    It keeps every error, 8 bytes a number and 8 more a sample. Of several outputs it is the mean
    of their medians. Between two middle samples it lies halfway.

    Args:
        name: Name it is logged under.
        dtype: Type that errors are kept in; float64 by default, float32 needs half as much.

    Example:
        >>> float(MedianAbsoluteError()([3.0, 0.0, 2.0, 7.0], [2.5, 0.0, 2.0, 99.0]))
        0.25
    """

    direction = "min"

    def __init__(
        self, name: str = "median_absolute_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MedianAbsoluteError.__init__, unknown)
        super().__init__(dtype=dtype, name=name)
        self.errors = self.add_weight((0,), name="errors", reduction="concat")
        self.sample_weights = self.add_weight((0,), name="sample_weights", reduction="concat")

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Targets, (N, ...).
            y_pred: Outputs of the same shape.
            sample_weight: How much each sample counts, (N,), or None.

        Raises:
            UsageError: If the shapes do not fit, or the number of outputs changes.
        """
        y_pred = as_tensor(y_pred)
        true, pred = align(as_tensor(y_true, like=y_pred).double(), y_pred.double())
        if true.ndim == 0:
            raise UsageError(f"{self.name} needs y_true and y_pred of the shape (N, ...)")
        errors = (true - pred).abs().reshape(len(true), math.prod(true.shape[1:]))
        weight = torch.ones_like(errors[:, 0])
        if sample_weight is not None:
            weight = fit_weight(as_tensor(sample_weight, like=y_pred), weight).double()
            weight = weight.expand(len(errors))
        self.errors.append(errors)
        self.sample_weights.append(weight)

    @override
    def result(self) -> Tensor:
        """Return the median, 0 of nothing."""
        errors, weights = self.errors.value.double(), self.sample_weights.value.double()
        if not errors.numel():
            return errors.new_zeros(())
        ordered, order = errors.sort(0)
        reached = weights[order].cumsum(0)
        half = reached[-1:] / 2
        # The first sample at which half of the weight is reached, and the first beyond: they
        # differ where it is reached exactly.
        low = ordered.gather(0, (reached < half).sum(0, keepdim=True))
        high = ordered.gather(0, (reached <= half).sum(0, keepdim=True).clamp_max(len(errors) - 1))
        middle = (low + high) / 2
        return torch.where(errors.isnan().any(0), torch.nan, middle).mean()

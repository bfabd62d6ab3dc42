"""Whether probabilities mean what they say."""

from typing import Any, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown
from epochal.functional.shapes import class_indices, match_weights
from epochal.metrics.base import Metric, as_tensor
from epochal.metrics.confusion import weighed
from epochal.metrics.thresholds import whole_number

__all__ = ["ExpectedCalibrationError"]


class ExpectedCalibrationError(Metric, coalesce=True):
    """How far confidence lies from accuracy, on average over bins of equal confidence.

    Use it where probabilities are acted upon. Of several classes the largest probability is the
    confidence, and it is right if that class is; a single output is the confidence in class 1.

    Args:
        num_bins: How many bins of equal width from 0 to 1; each holds its upper end.
        name: Name it is logged under.
        dtype: Type of its weights.
        from_logits: Whether outputs are logits, of which a sigmoid or softmax is taken first.

    Raises:
        UsageError: If there is no bin; while updating, if shapes do not fit, or, where no device
            has to be waited for, a confidence is outside of 0 to 1.

    Source:
        Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017.

    Example:
        >>> metric = ExpectedCalibrationError(num_bins=2)
        >>> float(metric([1, 1, 0, 0], [0.75, 0.75, 0.25, 0.25]))
        0.25
    """

    direction = "min"

    def __init__(
        self,
        num_bins: int = 15,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        **unknown: Never,
    ) -> None:
        reject_unknown(ExpectedCalibrationError.__init__, unknown)
        self.num_bins = whole_number("ExpectedCalibrationError", "num_bins", num_bins, 1)
        self.from_logits = bool(from_logits)
        super().__init__(dtype=dtype, name=name)
        self._gap = self.add_weight((self.num_bins,), name="gap")
        self._count = self.add_weight(name="count")

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: 0 or 1, (N,) or (N, 1), for one output; class numbers, (N, ...), or one-hot
                classes, (N, ..., C), for C of them.
            y_pred: Probabilities, (N,), (N, 1) or (N, ..., C).
            sample_weight: How much each sample counts, (N,), or None.
        """
        y_pred = as_tensor(y_pred)
        y_pred = y_pred if y_pred.dtype == torch.float64 else y_pred.float()
        right, confidence = self._bets(as_tensor(y_true, like=y_pred), y_pred)
        if confidence.is_cpu and not bool(((confidence >= 0) & (confidence <= 1)).all()):
            raise UsageError(
                f"{self.name}: y_pred holds numbers outside of 0 to 1 (or NaN), which are no "
                "probabilities; of logits make ExpectedCalibrationError(from_logits=True)"
            )
        confidence = confidence.double()
        weight = torch.ones_like(confidence)
        if sample_weight is not None:
            given = match_weights(as_tensor(sample_weight, like=confidence), confidence)
            weight = given.expand_as(confidence)
        place = (confidence * self.num_bins).ceil().long().clamp(1, self.num_bins) - 1
        # Within a bin only the difference of the two means counts, so only that is kept.
        gap = torch.zeros(self.num_bins, dtype=torch.float64, device=place.device)
        gap.index_add_(0, place.flatten(), ((right.double() - confidence) * weight).flatten())
        self._gap.assign_add(gap)
        self._count.assign_add(weight.sum())

    @override
    def result(self) -> Tensor:
        """Return the error so far, 0.0 to 1.0; 0.0 while nothing has been taken in."""
        count = self._count.value
        return self._gap.value.abs().sum() / torch.where(count == 0, torch.ones_like(count), count)

    def _bets(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether each prediction is right, and how sure it was."""
        if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
            labels, confidence, _ = weighed(
                y_true, y_pred.sigmoid() if self.from_logits else y_pred
            )
            return labels.flatten(), confidence.flatten()
        if y_true.shape == y_pred.shape:
            y_true = y_true.argmax(-1)
        target, y_pred = class_indices(y_true, y_pred)
        sure = (y_pred.softmax(-1) if self.from_logits else y_pred).max(-1)
        return sure.indices == target, sure.values

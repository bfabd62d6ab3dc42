"""What metrics share that give one value per row of an output: a direction, a distribution."""

from collections.abc import Callable
from typing import Any

from typing_extensions import override

from epochal.core.errors import UsageError
from epochal.metrics.base import as_tensor
from epochal.metrics.mean import MeanMetricWrapper

__all__ = ["RowMetric"]


class RowMetric(MeanMetricWrapper):
    """A function of each sample's vector, averaged over samples; outputs need two axes or more."""

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        dtype: Any,
        axis: int | None = None,
        **keywords: Any,
    ) -> None:
        if axis is not None:
            keywords["axis"] = self.axis = axis
        super().__init__(fn, name=name, dtype=dtype, **keywords)
        # Along the samples' axis the value of joined batches is not that of each.
        self.coalesce = axis is None or axis == -1 or axis > 0

    @override
    def update_state(  # type: ignore[override]  # as every metric's but `Mean`'s
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_pred = as_tensor(y_pred)
        if y_pred.ndim < 2:
            raise UsageError(
                f"{self.name} compares the entries of each sample, so y_pred needs the shape "
                f"(N, ..., D); got {tuple(y_pred.shape)}"
            )
        super().update_state(y_true, y_pred, sample_weight)

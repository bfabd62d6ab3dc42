"""The weighted sum of numbers."""

from typing import Any, Never

from torch import Tensor
from typing_extensions import override

from epochal.core.errors import reject_unknown
from epochal.metrics.base import Metric, as_tensor
from epochal.metrics.mean import fit_weight

__all__ = ["Sum"]


class Sum(Metric, coalesce=True):
    """Weighted sum of numbers: `sum(w * v)`. Use it by hand, as `Mean`.

    Args:
        name: Name it is logged under.
        dtype: Type of its weight; float64 by default.

    Example:
        >>> total = Sum()
        >>> total.update_state([1.0, 3.0], sample_weight=[1.0, 0.5]); total.update_state(8.0)
        >>> float(total.result())
        10.5
    """

    def __init__(self, name: str = "sum", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(Sum.__init__, unknown)
        super().__init__(dtype=dtype, name=name)
        self.total = self.add_weight(name="total")

    @override
    def update_state(  # type: ignore[override]  # Keras' contract: values, not targets and outputs
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Take numbers in.

        Args:
            values: Numbers of any shape.
            sample_weight: Weights that fit the first dimensions of `values`, or None.

        Raises:
            UsageError: If the weights do not fit.
        """
        values = as_tensor(values).double()
        if sample_weight is not None:
            weight = fit_weight(as_tensor(sample_weight, like=values), values).double()
            values = values * weight.reshape(*weight.shape, *(1,) * (values.ndim - weight.ndim))
        self.total.assign_add(values.sum())

    @override
    def result(self) -> Tensor:
        """Return the sum so far."""
        return self.total.value

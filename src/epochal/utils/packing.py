"""A batch as one value: `x`, `(x, y)` or `(x, y, sample_weight)`."""

from typing import Any, Never

from epochal.core.errors import UsageError, reject_unknown

__all__ = ["pack_x_y_sample_weight", "unpack_x_y_sample_weight"]


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return the three parts of a batch, `None` for what it lacks.

    Use it in your own `train_step` to accept whatever `fit` was given.

    Args:
        data: `x`, or a tuple or list of one to three parts. Several inputs alone come as `(x,)`.

    Raises:
        UsageError: If there are no parts, or more than three.

    Example:
        >>> unpack_x_y_sample_weight(([1.0], [0]))
        ([1.0], [0], None)
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise UsageError(
            f"a batch has {len(data)} parts; expected x, (x, y) or (x, y, sample_weight). Give "
            "several inputs or outputs as one dict or tuple: ((x1, x2), y)"
        )
    x, y, weight = (*data, None, None)[:3]
    return x, y, weight


def pack_x_y_sample_weight(
    x: Any, y: Any = None, sample_weight: Any = None, **unknown: Never
) -> Any:
    """Return the parts of a batch as one value, the opposite of `unpack_x_y_sample_weight`.

    Args:
        x: The inputs.
        y: The targets, if any.
        sample_weight: One weight a sample, if any.

    Returns:
        `x` (as `(x,)` if it is a tuple or list itself), `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        UsageError: If there are weights but no targets.

    Example:
        >>> pack_x_y_sample_weight([1.0], [0])
        ([1.0], [0])
    """
    reject_unknown(pack_x_y_sample_weight, unknown)
    if y is None:
        if sample_weight is not None:
            raise UsageError("sample_weight without y: weights apply to targets; give y too")
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)

"""How closely the entries of predictions follow those of targets: one value per row."""

from torch import Tensor

from epochal.functional.shapes import EPSILON, ArrayLike, align

__all__ = ["concordance_correlation", "pearson_correlation"]


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Tensor:
    """Return Pearson's correlation of the entries along `axis`.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.
        axis: Along which to correlate.

    Returns:
        Values from -1 to 1, shape `(N, ...)`; NaN where a row is constant.

    Example:
        >>> pearson_correlation([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]]).round(decimals=4)
        tensor([1.])
    """
    true, pred = _centred(*align(y_true, y_pred), axis)
    lengths = true.square().sum(axis).sqrt() * pred.square().sum(axis).sqrt()
    return (true * pred).sum(axis) / lengths


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Tensor:
    """Return Lin's concordance along `axis`: correlation that also asks for the same scale.

    `2 cov / (var_true + var_pred + (mean_true - mean_pred)**2)`, Lin, 1989, "A concordance
    correlation coefficient to evaluate reproducibility", Biometrics 45.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.
        axis: Along which to correlate.

    Returns:
        Values from -1 to 1, shape `(N, ...)`; 0 where a row is constant.

    Example:
        >>> concordance_correlation([[0.0, 2.0]], [[1.0, 3.0]])
        tensor([0.6667])
    """
    y_true, y_pred = align(y_true, y_pred)
    true, pred = _centred(y_true, y_pred, axis)
    apart = (y_true.mean(axis) - y_pred.mean(axis)).square()
    spread = true.square().mean(axis) + pred.square().mean(axis) + apart
    return 2.0 * (true * pred).mean(axis) / (spread + EPSILON)


def _centred(y_true: Tensor, y_pred: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    return (
        y_true - y_true.mean(axis, keepdim=True),
        y_pred - y_pred.mean(axis, keepdim=True),
    )

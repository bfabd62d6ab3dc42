"""The two quantities of the paper, as functions of numbers."""

import math
from collections.abc import Sequence

__all__ = ["generalization_loss", "progress", "progress_quotient"]


def generalization_loss(validation: float, best: float) -> float:
    """Return by how many percent the validation error is above its minimum so far.

    `100 * (validation - best) / |best|`, which is the paper's `100 * (validation / best - 1)` for
    the positive errors it speaks of. The absolute value keeps the sign right for negative ones
    (a log-likelihood). Above a best of zero every loss is infinite, at it zero.

    Args:
        validation: The error now.
        best: The smallest error so far, the one now included.

    Returns:
        The loss, in percent.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998), GL.

    Example:
        >>> round(generalization_loss(0.97, 0.95), 6), generalization_loss(-1.5, -2.0)
        (2.105263, 25.0)
    """
    if best == 0:
        return math.inf if validation > 0 else 0.0
    return 100 * (validation - best) / abs(best)


def progress(strip: Sequence[float]) -> float:
    """Return by how much the mean training error of a strip is above the strip's own minimum.

    `1000 * (mean - min) / |min|`. A minimum of zero makes it infinite, or zero if all are zero.

    Args:
        strip: The training errors of the strip's epochs.

    Returns:
        The progress, in per thousand.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998), P_k.

    Example:
        >>> round(progress([1.0, 0.9, 0.8, 0.7, 0.6]), 6)
        333.333333
    """
    low = min(strip)
    # Differences first: a flat strip is exactly 0, not a rounding error that P = 0 would miss.
    above = math.fsum(value - low for value in strip) / len(strip)
    if low == 0:
        return math.inf if above > 0 else 0.0
    return 1000 * above / abs(low)


def progress_quotient(loss: float, progress: float) -> float:
    """Return the generalization loss for each unit of training progress.

    Without progress any loss is infinite, and no loss is zero; an infinite loss stays so.

    Args:
        loss: The generalization loss, in percent.
        progress: The progress of the strip, in per thousand.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998), PQ.

    Example:
        >>> progress_quotient(3.0, 6.0), progress_quotient(3.0, 0.0), progress_quotient(0.0, 0.0)
        (0.5, inf, 0.0)
    """
    if loss == 0:
        return 0.0
    return math.inf if progress == 0 or math.isinf(loss) else loss / progress

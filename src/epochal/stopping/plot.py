"""The picture of a replay: the curve, and where each criterion stops."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epochal.stopping.outcomes import Replay

__all__ = ["draw"]


def draw(replay: "Replay", path: str | os.PathLike[str] | None) -> Any:
    """Draw a replay; see `Replay.plot`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Replay.plot needs matplotlib; install it with: pip install 'epochal[plot]'"
        ) from error
    curve = replay.curve
    # A figure of its own, not pyplot's: nothing stays open, and no display is needed.
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    plain = curve.monitor.removeprefix("val_")
    lines = ((f"training {plain}", curve.training), (f"validation {plain}", curve.validation))
    for label, values in (*lines, (f"test {plain}", curve.test)):
        points = [(i, v) for i, v in enumerate(values, start=1) if v is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, linewidth=1.2)
    # Criteria that stop together share one line and one label, or nobody could read either.
    stops: dict[int, list[str]] = {}
    for row in replay.rows:
        if row.stopped_epoch is not None:
            stops.setdefault(row.epochs, []).append(repr(row.criterion))
    for epochs, names in sorted(stops.items()):
        axes.axvline(epochs, color="0.6", linewidth=0.8, linestyle="--")
        axes.annotate(
            "\n".join(names),
            (epochs, 0.98),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="right",
            va="top",
            fontsize=7,
        )
    best = replay.best
    axes.plot(best.best_after, best.validation, "o", color="black", label="best kept")
    axes.set_xlabel("epochs trained")
    axes.set_ylabel(plain)
    axes.legend(loc="center right", fontsize=8)
    if path is not None:
        figure.savefig(os.fspath(path), dpi=100)
    return axes

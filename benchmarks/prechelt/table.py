"""Table 1 of the paper from runs, and how it compares with the printed one."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["CRITERIA", "Row", "compare", "of_paper", "rank_correlation", "table"]

CRITERIA: Final = (
    *("UP2", "GL1", "UP3", "GL2", "UP4", "PQ0.5", "PQ0.75"),
    *("GL3", "PQ1", "UP6", "GL5", "PQ2", "UP8", "PQ3"),
)
"""In the order of the paper: by slowness."""


@dataclass(frozen=True)
class Row:
    """Means over runs for one criterion, in the columns of the paper.

    Attributes:
        slowness_best: Epochs trained for each one of the run's best criterion.
        slowness_gl2: The same beside GL2.
        redundancy: Epochs after the kept minimum for each one up to it.
        badness_best: Test error for each unit of that of the run's best criterion.
        badness_gl2: The same beside GL2.
        p_good: The share of runs in which it found the lowest validation error of all.
    """

    slowness_best: float
    slowness_gl2: float
    redundancy: float
    badness_best: float
    badness_gl2: float
    p_good: float


def table(runs: Sequence[dict[str, Any]]) -> dict[str, Row]:
    """Return the rows of Table 1 by criterion."""
    measured: dict[str, list[list[float]]] = {name: [] for name in CRITERIA}
    for run in runs:
        ends = run["criteria"]
        # The paper's best: the lowest validation error and, among those, the fewest epochs.
        best = min(ends.values(), key=lambda end: (end["validation"], end["epochs"]))
        fast = ends["GL2"]
        for name in CRITERIA:
            end = ends[name]
            measured[name].append(
                [
                    end["epochs"] / best["epochs"],
                    end["epochs"] / fast["epochs"],
                    end["epochs"] / end["best_after"] - 1,
                    end["test"] / best["test"],
                    end["test"] / fast["test"],
                    float(end["validation"] == best["validation"]),
                ]
            )
    return {name: Row(*np.mean(rows, axis=0).tolist()) for name, rows in measured.items()}


def of_paper(path: Path) -> dict[str, Row]:
    """Read the paper's table."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row.pop("criterion"): row for row in csv.DictReader(file)}
    return {name: Row(**{k: float(v) for k, v in rows[name].items()}) for name in CRITERIA}


def compare(ours: dict[str, Row], paper: dict[str, Row]) -> dict[str, float]:
    """Return the rank correlation of each column over the fourteen criteria."""
    return {
        field.name: rank_correlation(
            [getattr(ours[name], field.name) for name in CRITERIA],
            [getattr(paper[name], field.name) for name in CRITERIA],
        )
        for field in fields(Row)
    }


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's coefficient; equal values share their mean rank. NaN if all are equal.

    Example:
        >>> round(rank_correlation([1, 2, 3], [10, 30, 20]), 3)
        0.5
    """
    if len(set(a)) == 1 or len(set(b)) == 1:
        return math.nan
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    given = np.asarray(values)
    less = (given[None] < given[:, None]).sum(1)
    return np.asarray(less + (given[None] == given[:, None]).sum(1) / 2)

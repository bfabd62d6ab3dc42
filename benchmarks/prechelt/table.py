"""Table 1 of the paper from runs, and how it compares with the printed one."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["CRITERIA", "Row", "compare", "intervals", "of_paper", "rank_correlation", "table"]

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
    return _rows(_ratios(runs))


def intervals(
    runs: Sequence[dict[str, Any]], paper: dict[str, Row], draws: int = 1000
) -> dict[str, tuple[float, float]]:
    """Return between what values nine in ten of the rank correlations lie if runs are redrawn."""
    ratios = _ratios(runs)
    random = np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    for _ in range(draws):
        again = _rows(ratios[random.integers(len(runs), size=len(runs))])
        for column, value in compare(again, paper).items():
            found.setdefault(column, []).append(value)
    return {
        column: (float(np.quantile(values, 0.05)), float(np.quantile(values, 0.95)))
        for column, values in found.items()
    }


def _rows(ratios: np.ndarray) -> dict[str, Row]:
    means = ratios.mean(axis=0).tolist()
    return {name: Row(*values) for name, values in zip(CRITERIA, means, strict=True)}


def _ratios(runs: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return the columns of the paper for each run and criterion."""
    rows = []
    for run in runs:
        ends = run["criteria"]
        # The paper's best: the lowest validation error and, among those, the fewest epochs.
        best = min(ends.values(), key=lambda end: (end["validation"], end["epochs"]))
        fast = ends["GL2"]
        rows.append(
            [
                [
                    end["epochs"] / best["epochs"],
                    end["epochs"] / fast["epochs"],
                    end["epochs"] / end["best_after"] - 1,
                    end["test"] / best["test"],
                    end["test"] / fast["test"],
                    float(end["validation"] == best["validation"]),
                ]
                for end in (ends[name] for name in CRITERIA)
            ]
        )
    return np.array(rows)


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

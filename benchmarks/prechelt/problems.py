"""The problems of PROBEN1 and the topologies: what is trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

__all__ = ["PERMUTATIONS", "PROBLEMS", "TOPOLOGIES", "Group", "Problem", "groups", "read"]

PROBLEMS: Final = (
    *("cancer", "card", "diabetes", "gene", "glass", "heart", "horse", "soybean", "thyroid"),
    *("building", "flare", "hearta"),
)
PERMUTATIONS: Final = (1, 2, 3)
TOPOLOGIES: Final = (
    *((2, 0), (4, 0), (8, 0), (16, 0), (24, 0), (32, 0)),
    *((2, 2), (4, 2), (4, 4), (8, 4), (8, 8), (16, 8)),
)
"""Units in the first and in the second hidden layer."""


@dataclass(frozen=True)
class Group:
    """The nets that are trained together: one problem, all its permutations, one topology."""

    problem: str
    topology: tuple[int, int]

    @property
    def shape(self) -> str:
        """The topology as the paper writes it."""
        first, second = self.topology
        return f"{first}+{second}" if second else str(first)


@dataclass(frozen=True)
class Problem:
    """Examples of all permutations side by side: inputs (N, permutations, inputs), and targets.

    Attributes:
        train: Inputs and targets to learn from.
        validation: Those that decide when to stop.
        test: Those that say what it was worth.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def groups(quick: bool = False) -> list[Group]:
    """Return what is to be trained: 144 groups of 9 nets, or 15 of them with every problem."""
    if not quick:
        return [Group(problem, topology) for problem in PROBLEMS for topology in TOPOLOGIES]
    # Every problem once, every topology once; three problems a second time make it a tenth.
    chosen = [(index, (5 * index) % 12) for index in range(12)]
    chosen += [(index, (5 * index + 6) % 12) for index in (1, 4, 10)]
    return [Group(PROBLEMS[problem], TOPOLOGIES[topology]) for problem, topology in chosen]


def read(folder: Path, name: str) -> Problem:
    """Read the three files of a problem.

    Raises:
        FileNotFoundError: If the folder does not hold them.
    """
    tables = [_read(folder / f"{name}{permutation}.dt") for permutation in PERMUTATIONS]
    _, inputs, sizes = tables[0]
    values = torch.from_numpy(np.stack([table for table, _, _ in tables], axis=1))
    x, y = values[..., :inputs].contiguous(), values[..., inputs:].contiguous()
    train, validation, test = zip(torch.split(x, sizes), torch.split(y, sizes), strict=True)
    return Problem(train, validation, test)


def _read(path: Path) -> tuple[np.ndarray, int, list[int]]:
    lines = path.read_text(encoding="ascii").splitlines()
    header = {name: int(value) for name, value in (line.split("=") for line in lines[:7])}
    inputs = header["bool_in"] + header["real_in"]
    sizes = [header[f"{part}_examples"] for part in ("training", "validation", "test")]
    return np.loadtxt(lines[7:], dtype=np.float32), inputs, sizes

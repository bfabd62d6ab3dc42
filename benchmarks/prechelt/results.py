"""The file of results: a line for each problem, permutation and topology that is done."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prechelt.problems import PERMUTATIONS, Group

__all__ = ["Results"]


class Results:
    """What is done already, and where more of it goes.

    Args:
        path: The file; made with the first result.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[tuple[str, str, int], dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.endswith("}]}"):  # a kill may have cut a line short
                    self._take(json.loads(line))

    def _take(self, record: dict[str, Any]) -> None:
        key = (record["problem"], record["topology"], record["permutation"])
        self.records[key] = record

    def has(self, group: Group) -> bool:
        """Whether all of a group is done."""
        keys = ((group.problem, group.shape, permutation) for permutation in PERMUTATIONS)
        return all(key in self.records for key in keys)

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        """Keep the records of a group, on disk before this returns."""
        records = list(records)
        for record in records:
            self._take(record)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A line of its own also after one that was cut.
        text = "".join(f"\n{json.dumps(record)}" for record in records)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def runs(self, groups: Iterable[Group]) -> list[dict[str, Any]]:
        """Return the runs of these groups that are done, each with its problem and topology."""
        wanted = {(group.problem, group.shape) for group in groups}
        return [
            {**run, "problem": problem, "topology": topology, "permutation": permutation}
            for (problem, topology, permutation), record in sorted(self.records.items())
            if (problem, topology) in wanted
            for run in record["runs"]
        ]

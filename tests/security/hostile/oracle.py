"""Asks the server to load files, and judges what came of it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 5.0
MEBIBYTE = 2**20


@dataclass
class Answer:
    """What became of one file."""

    outcome: (
        str  # "loaded", "refused" (documented error), "escaped" (any other), "hung", "died (n)"
    )
    type: str
    text: str
    events: list[str]
    opens: int  # how often the file itself was opened
    memory: int
    seconds: float
    trace: str = field(default="", repr=False)

    def harm(self, size: int) -> str:
        """Return what was done that must not be; "" for nothing."""
        if self.outcome not in ("loaded", "refused"):
            return f"{self.outcome}: {self.type}: {self.text[:500]}\n{self.trace}"
        if self.events:
            return f"events: {self.events}"
        if self.memory > 2 * size + 64 * MEBIBYTE:
            return f"{self.memory:,} bytes of memory for a file of {size:,}"
        return ""


class Oracle:
    """A server of its own, for as long as the `with` block lasts."""

    def __init__(self):
        self._folder = Path(__file__).parents[1]

    def __enter__(self):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(self._folder), os.environ.get("PYTHONPATH", "")]),
            "TERM": "dumb",
            "COLUMNS": "100",
        }
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "hostile.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert self._read() == "ready"
        return self

    def __exit__(self, *_):
        self._server.kill()  # it holds nothing, and may wait for somebody to read its answers
        self._server.wait()
        self._server.stdin.close()
        self._server.stdout.close()

    def ask(self, action, path, limit=SECONDS, **arguments):
        """Return what becomes of one file."""
        return self.ask_all([(action, path, arguments)], limit)[0]

    def ask_all(self, requests, limit=SECONDS, *, again=True):
        """Return what becomes of several files, one after another in one child."""
        lines = [(action, str(path), arguments) for action, path, arguments in requests]
        self._server.stdin.write(json.dumps({"requests": lines, "limit": limit}) + "\n")
        self._server.stdin.flush()
        answers = [Answer(**self._read()) for _ in lines]
        for index, answer in enumerate(answers):
            if answer.outcome == "hung" and again:
                # A machine that has other things to do looks like a file that never ends.
                [answers[index]] = self.ask_all([requests[index]], 4 * limit, again=False)
        return answers

    def _read(self):
        line = self._server.stdout.readline()
        assert line, "the server is gone"
        return json.loads(line)

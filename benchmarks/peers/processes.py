"""A long-lived process for each way, asked for one thing at a time."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from peers.child import MARK
from peers.environments import python_of

__all__ = ["BACKENDS", "Peer", "environment_of"]

BENCHMARKS = Path(__file__).resolve().parents[1]

# Which environment a way runs in; the others run in the one that runs the bench.
ENVIRONMENTS = {
    "Keras, jax": "keras-jax",
    "Keras, torch": "keras-torch",
    "Keras, tensorflow": "keras-tensorflow",
    "Lightning": "lightning",
    "skorch": "skorch",
    "Ignite": "ignite",
    "Accelerate": "huggingface",
    "Transformers Trainer": "huggingface",
}
BACKENDS = {"Keras, jax": "jax", "Keras, torch": "torch", "Keras, tensorflow": "tensorflow"}


def environment_of(way: str) -> str | None:
    """Return the name of the environment a way runs in; None for the bench's own."""
    return ENVIRONMENTS.get(way)


class Peer:
    """One way in its process.

    Args:
        way: Its name.
        cores: 1 to stay on one core, more for all of them.
        log: Where the process' own words go.
    """

    def __init__(self, way: str, cores: int, log: IO[str]) -> None:
        self.way = way
        named = environment_of(way)
        python = sys.executable if named is None else str(python_of(named))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "KERAS_BACKEND": BACKENDS.get(way, ""),
            "OMP_NUM_THREADS": str(cores),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "HF_HUB_OFFLINE": "1",
        }
        if way not in BACKENDS:
            del environment["KERAS_BACKEND"]
        pinned = ["--core", str(max(os.sched_getaffinity(0)))] if cores == 1 else []
        self._process = subprocess.Popen(
            [python, "-m", "peers.child", way, *pinned],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )

    def ask(self, do: str, limit: float = 300, **request: Any) -> dict[str, Any]:
        """Return the answer to one request; one that says "error" where none came in time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(limit, self._process.kill)
        timer.start()
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
            for line in self._process.stdout:
                if line.startswith(MARK):
                    answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
                    return answer
        except BrokenPipeError:
            pass
        finally:
            timer.cancel()
        return {"error": f"the process ended, or took more than {limit:.0f} s"}

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died with a request unread
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

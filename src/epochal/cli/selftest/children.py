"""Running something in a child that may be killed: a fork costs milliseconds, an import seconds."""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Outcome", "in_child"]


class Outcome(NamedTuple):
    """How a child ended.

    Args:
        killed: Whether SIGKILL ended it.
        value: What its function returned.
        error: The traceback, if it raised.
    """

    killed: bool
    value: Any = None
    error: str | None = None


def in_child(act: Callable[[], Any], *, seconds: float = 120.0) -> Outcome:
    """Run a function in a fork of this process.

    Everything it imports should be imported already. Processes that it leaves behind (data workers)
    are ended with it. torch has to run on one thread, since its other threads would not be there.

    Args:
        act: What to run; returns something that JSON can say.
        seconds: After how long it is killed and counts as an error.

    Returns:
        How it ended.

    Example:
        >>> in_child(lambda: 1 + 1)
        Outcome(killed=False, value=2, error=None)
    """
    # A file and not a pipe: workers that outlive the child would keep a pipe open.
    with tempfile.TemporaryDirectory(prefix="epochal-selftest-") as folder:
        answer = Path(folder) / "answer.json"
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Of threads that hold locks: those that may be alive here hold none that a run needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _be_child(act, answer)
        try:
            status = _wait(child, time.monotonic() + seconds)
        finally:
            _end_group(child)
        if status is None:
            os.waitpid(child, 0)
            return Outcome(False, error=f"it did not end within {seconds:g} seconds")
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number == signal.SIGKILL:
                return Outcome(True)
            return Outcome(False, error=f"it died of signal {number}")
        if not answer.exists():
            return Outcome(False, error=f"it ended with status {os.WEXITSTATUS(status)}")
        return Outcome(False, **json.loads(answer.read_text()))


def _be_child(act: Callable[[], Any], answer: Path) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        try:
            said = {"value": act()}
        except BaseException:
            said = {"error": traceback.format_exc()}
        answer.write_text(json.dumps(said))
        status = 0
    finally:
        # Not `exit`: what the parent would do at its end (reports, temporary folders) is not ours.
        os._exit(status)


def _wait(child: int, deadline: float) -> int | None:
    pause = 0.0005
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(pause)
        pause = min(pause * 1.2, 0.02)


def _end_group(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left

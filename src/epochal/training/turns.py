"""Steps and saves take turns: a save that another thread asks for waits for the step under way."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Turns"]


class Turns:
    """A lock that is held during each step; taking it costs some 50 ns.

    It is the thread's own that holds it, so a step of the user's may save. Copies of what has one
    get a lock of their own.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.asked = 0
        self._counting = threading.Lock()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the lock, as soon as the step under way is over."""
        self._count(1)
        with self.lock:
            self._count(-1)
            yield

    def give_way(self) -> None:
        """Wait until whoever asks has the lock: who has just let go of one mostly gets it again."""
        while self.asked:
            time.sleep(0.0002)

    def _count(self, change: int) -> None:
        with self._counting:
            self.asked += change

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return Turns, ()  # locks can be neither copied nor pickled

"""Events on their way to a server: in order, on a thread of their own, never in training's way."""

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from epochal.remote.endpoint import Endpoint, UndeliveredError
from epochal.remote.timed import SLICE

__all__ = ["Request", "Sender"]

Event = TypeVar("Event")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class Request(NamedTuple):
    """What is sent for one event."""

    body: bytes
    headers: Mapping[str, str]


class Sender(Generic[Event]):
    """Posts events one after the other; `put` never waits and never fails.

    An event that is not taken is sent again, after pauses of 0.5, 1, 2, ... and at most 30 seconds.
    The pauses go on growing from one event to the next until the server takes one, so a dead
    server costs two attempts a minute. When more than `queue_size` events wait, the oldest is
    dropped: whoever watches a run wants to know how it is now.

    The thread starts here and ends in `close`. It is a daemon: a process that is left without
    `close` is not held up by a server. In a forked child (a DataLoader's worker) there is no such
    thread, and nothing is sent from there.

    Args:
        endpoint: Where to.
        request: Makes what is sent of an event; called on the thread.
        timeout: Seconds for one attempt, from connecting to the answer.
        queue_size: Events that may wait.
        retries: How often an event is sent again.

    Attributes:
        accepted: Events put so far.
        delivered: Events that the server took so far.
        lost: Events given up so far; after `close`, all that were not taken.
        reason: Why events were lost, in words; empty while none was.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        request: Callable[[Event], Request],
        *,
        timeout: float,
        queue_size: int,
        retries: int,
    ) -> None:
        self._endpoint = endpoint
        self._request = request
        self._timeout = timeout
        self._queue_size = queue_size
        self._retries = retries
        self.accepted = 0
        self.delivered = 0
        self.lost = 0
        self.reason = ""
        self._failures = 0  # attempts since the last that worked
        self._last_failure = ""
        self._waiting: deque[Event] = deque()
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._ending = threading.Condition(self._lock)  # apart: an event must not end a pause
        self._closing = False
        self._given_up = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="epochal-sender", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Take one event to be sent after those before it."""
        if os.getpid() != self._process:
            return  # a forked child: a lock copied here may never be released
        with self._lock:
            self.accepted += 1
            if len(self._waiting) >= self._queue_size:
                self._waiting.popleft()
                slow = "it takes events more slowly than they come"
                silent = "it has not answered so far"
                self._lose(self._last_failure or (slow if self.delivered else silent))
            self._waiting.append(event)
            self._arrived.notify()

    def close(self, flush_timeout: float) -> None:
        """Send what waits, for so many seconds at most, and end the thread.

        A server that already failed more often in a row than `retries` gets one last attempt.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            self._closing = True
            self._arrived.notify()
            self._ending.notify()
        self._thread.join(flush_timeout)
        with self._lock:
            self._given_up = True
            self._ending.notify()
        # It looks up once in a SLICE, except while the system connects or looks up a name.
        self._thread.join(3 * SLICE)
        with self._lock:
            self.lost = self.accepted - self.delivered
            if self.lost and not self.reason:
                what = "it" if self.accepted == 1 else "them"
                late = f"it did not take {what} within {flush_timeout:g} s of the end"
                self.reason = self._last_failure or late

    def _run(self) -> None:
        while (event := self._next()) is not None:
            self._deliver(event)

    def _next(self) -> Event | None:
        with self._lock:
            self._arrived.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting and not self._given_up else None

    def _deliver(self, event: Event) -> None:
        """See one event taken, or count it as lost."""
        try:
            request = self._request(event)
        except Exception as error:  # a value's own code: it must not end the thread unseen
            with self._lock:
                self._lose(f"what was logged cannot be written as JSON: {error!r}")
            return
        for _ in range(self._retries + 1):
            if self._failures and not self._paused():
                break
            try:
                self._endpoint.post(
                    *request, timeout=self._timeout, called_off=lambda: self._given_up
                )
            except UndeliveredError as problem:
                self._failures += 1
                if not self._given_up:  # else it says only that we stopped waiting
                    self._last_failure = problem.reason
                if problem.final:
                    break
            else:
                with self._lock:
                    self.delivered += 1
                self._failures, self._last_failure = 0, ""
                return
        with self._lock:
            self._lose(self._last_failure)

    def _lose(self, reason: str) -> None:
        self.lost += 1
        self.reason = reason or self.reason

    def _paused(self) -> bool:
        """Wait before the next attempt; False if there shall be none."""
        seconds = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        with self._lock:
            closing = self._closing
            if closing and self._failures > self._retries:
                self._given_up = True
            # `close` cuts a pause short: the attempt that follows may be the last.
            self._ending.wait_for(
                lambda: self._given_up or self._closing is not closing, timeout=seconds
            )
            return not self._given_up

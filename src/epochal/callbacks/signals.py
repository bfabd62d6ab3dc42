"""Requests of the system to end, kept until the run can be left without losing anything."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Signals"]

Handler = Callable[[int, FrameType | None], Any] | int | None


class Signals:
    """SIGTERM and SIGINT, noted at the first and obeyed at the second.

    Only the main thread can take signals; anywhere else nothing changes.

    Example:
        >>> signals = Signals()
        >>> signals.take()
        >>> signal.raise_signal(signal.SIGINT)
        >>> signals.asked == signal.SIGINT
        True
        >>> signals.give_back()
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        """The signal that came, None if none has."""
        self._before: dict[int, Handler] = {}

    def take(self) -> None:
        """Note signals from now on, instead of ending."""
        self.asked = None
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN and before is not None:
                self._before[number] = before
                signal.signal(number, self._note)

    def give_back(self) -> None:
        """Let whoever handled the signals before handle them again."""
        if threading.current_thread() is threading.main_thread():
            for number, before in self._before.items():
                signal.signal(number, before)
        self._before = {}

    def leave(self) -> None:
        """End as the signal that came asks.

        Raises:
            KeyboardInterrupt: For SIGINT.
            SystemExit: With 143 for SIGTERM.
        """
        asked, self.asked = self.asked, None
        if asked == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked = number
            return
        self.give_back()
        signal.raise_signal(number)  # a second one leaves at once

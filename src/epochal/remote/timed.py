"""A connection on which nothing waits longer than one deadline, however the other side behaves."""

import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

__all__ = ["SLICE", "Deadline", "TimedSocket", "connect"]

SLICE = 0.1
"""Seconds after which a wait looks up to see whether it was called off."""

Buffer = TypeVar("Buffer")


class Deadline(NamedTuple):
    """When waiting ends: at a moment of `time.monotonic`, or as soon as it is called off."""

    end: float
    called_off: Callable[[], bool]

    def left(self) -> float:
        """Return the seconds left.

        Raises:
            TimeoutError: If there are none.
        """
        left = self.end - time.monotonic()
        if left <= 0 or self.called_off():
            raise TimeoutError("the deadline has passed")
        return left


class TimedSocket:
    """The part of a socket that `http.client` uses, with one deadline over all of it.

    A socket's own timeout starts anew with every byte: a server that sends one byte a second would
    hold the caller for hours.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            view = view[self.waited(self._socket.send, view) :]

    def receive_into(self, buffer: Any) -> int:
        """Receive some bytes; 0 at the end."""
        return self.waited(self._socket.recv_into, buffer)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  # always "rb" here
        """Return a file that reads from here."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Go on under TLS; the handshake keeps to the deadline too."""
        self._socket.settimeout(self._deadline.left())
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def waited(self, operation: Callable[[Buffer], int], buffer: Buffer) -> int:
        """Return what one send or receive gave, waiting for it in slices."""
        while True:
            self._socket.settimeout(min(self._deadline.left(), SLICE))
            try:
                return operation(buffer)
            except TimeoutError:
                continue


class _Reader(io.RawIOBase):
    def __init__(self, timed: TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive_into(buffer)


def connect(host: str, port: int, deadline: Deadline) -> TimedSocket:
    """Connect to the first address of a host that answers; each gets its share of the time.

    Looking the name up is the one wait without a deadline: the system's resolver has none to give.

    Raises:
        OSError: If no address answers in time.
    """
    failure = OSError(f"{host} has no address")
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        connecting = socket.socket(family, kind, protocol)
        try:
            connecting.settimeout(deadline.left() / (len(addresses) - index))
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            failure = error
        else:
            return TimedSocket(connecting, deadline)
    raise failure

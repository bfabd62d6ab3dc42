"""The bytes of an HDF5 file, each of which may serve one purpose only."""

from typing import Never

from epochal.core.errors import UsageError
from epochal.storage.spans import Span

__all__ = ["UNDEFINED", "Source"]

# What compressed data may unpack to: this much, and this many times the size of the file.
FREE_BYTES = 16 * 2**20
RATIO = 16

# Of everything beside the arrays. A file of 900 layers has 1 MB.
MOST = 128 * 2**20

UNDEFINED = 2**64 - 1  # "there is no such address"


class Source:
    """Gives out stretches of a file and remembers which are taken.

    A file in which structures overlap can make a reader work without end, or show one reader
    something else than another. Here no byte is given out twice, so all work is bounded by the size
    of the file.
    """

    def __init__(self, span: Span, most: int = MOST) -> None:
        self.span = span
        self.size = span.size
        self._taken: dict[int, int] = {}
        self._left = span.size
        self._unpacked = 0
        self._most = most

    def take(self, address: int, count: int, purpose: str) -> bytes:
        """Return bytes that nothing else was made of."""
        self.claim(address, count, purpose)
        self._most -= count
        if self._most < 0:
            self.refuse(f"{purpose} and what else describes its arrays are too long to be read")
        return self.span.read(address, count)

    def claim(self, address: int, count: int, purpose: str) -> None:
        """Reserve bytes that are read later."""
        if address < 0 or count < 0 or address + count > self.size:
            self.refuse(
                f"{purpose} lies outside of its {self.size:,} bytes (damaged, or cut short)"
            )
        self._left -= count
        if self._left < 0 or address in self._taken:
            self.refuse(f"{purpose} shares its bytes with another structure")
        if count:
            self._taken[address] = address + count

    def allow(self, count: int, where: str) -> None:
        """Refuse a file of which all that is compressed would unpack to too much."""
        self._unpacked += count
        if self._unpacked > FREE_BYTES + RATIO * self.size:
            self.refuse(
                f"{where} declares {count:,} bytes, in a file of {self.size:,}; if you trust where "
                "it comes from, write it again without compression"
            )

    def check_overlaps(self) -> None:
        """Refuse a file of which two structures share a byte; call it once all are known."""
        end = 0
        for start, stop in sorted(self._taken.items()):
            if start < end:
                self.refuse(f"two of its structures share the bytes at {start:,}")
            end = stop

    def refuse(self, reason: str) -> Never:
        """Raise the error that says why a file is not read."""
        raise UsageError(f"{self.span.what} is refused: {reason}")

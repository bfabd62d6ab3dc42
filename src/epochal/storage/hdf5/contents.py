"""Groups and datasets of an HDF5 file, as they are given to those who read them."""

import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from epochal.core.errors import UsageError, unknown_name
from epochal.storage.hdf5.attributes import Attribute
from epochal.storage.hdf5.kinds import Kind
from epochal.storage.hdf5.layout import Chunks, Storage
from epochal.storage.hdf5.source import Source

__all__ = ["H5Dataset", "H5Group", "H5Object"]

H5Object: TypeAlias = "H5Group | H5Dataset"


class H5Dataset:
    """An array in a file, read when `read` is called and while the file is open.

    `bfloat16` marks numbers that NumPy lacks: their bits are read as `uint16`.
    """

    def __init__(
        self,
        source: Source,
        path: str,
        kind: Kind,
        shape: tuple[int, ...],
        storage: Storage,
        attrs: Mapping[str, Attribute],
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = kind.dtype.newbyteorder("=")
        self.bfloat16 = kind.bfloat16
        self.attrs = attrs
        self._stored_as = kind.dtype
        self._source = source
        self._storage = storage

    @property
    def nbytes(self) -> int:
        """How many bytes the array takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> np.ndarray[Any, Any]:
        """Return the array, in memory of its own.

        Raises:
            UsageError: If compressed data in the file is damaged.
        """
        array = np.empty(self.shape, self._stored_as)
        if isinstance(self._storage, Chunks):
            self._read_chunks(self._storage, array)
        elif isinstance(self._storage, bytes):
            array = np.frombuffer(self._storage, self._stored_as).reshape(self.shape).copy()
        elif array.nbytes:
            flat = array.reshape(-1).view(np.uint8)
            self._source.span.read_into(self._storage, flat.data)
        return array.astype(self.dtype, copy=False)

    def check(self) -> None:
        """See that the array can be read; of one that is not compressed, its place is known.

        Raises:
            UsageError: If compressed data in the file is damaged.
        """
        if isinstance(self._storage, Chunks):
            for address, stored in self._storage.places.values():
                size = math.prod(self._storage.shape) * self._stored_as.itemsize
                self._unpack(self._storage, self._source.span.read(address, stored), size)

    def _read_chunks(self, chunks: Chunks, array: np.ndarray[Any, Any]) -> None:
        size = math.prod(chunks.shape) * self._stored_as.itemsize
        for start, (address, stored) in chunks.places.items():
            data = self._unpack(chunks, self._source.span.read(address, stored), size)
            block = np.frombuffer(data, self._stored_as).reshape(chunks.shape)
            # Chunks at the edge are written whole and reach over it.
            inside = tuple(
                slice(begin, min(begin + step, end))
                for begin, step, end in zip(start, chunks.shape, self.shape, strict=True)
            )
            array[inside] = block[tuple(slice(0, s.stop - s.start) for s in inside)]

    def _unpack(self, chunks: Chunks, data: bytes, size: int) -> bytes:
        if chunks.deflated:
            unpacker = zlib.decompressobj()
            try:
                data = unpacker.decompress(data, size + 1)
            except zlib.error:
                data = b""
        if len(data) != size:
            raise UsageError(
                f"the compressed data of {self.path!r} in {self._source.span.what} is damaged"
            )
        if chunks.shuffled:
            width = self._stored_as.itemsize
            data = np.frombuffer(data, np.uint8).reshape(width, -1).T.tobytes()
        return data


class H5Group(Mapping[str, H5Object]):
    """Groups and datasets by name; `group["a/b"]` is what `group["a"]["b"]` is."""

    def __init__(
        self, path: str, members: dict[str, H5Object], attrs: Mapping[str, Attribute]
    ) -> None:
        self.path = path
        self.attrs = attrs
        self._members = members

    def __getitem__(self, name: str) -> H5Object:
        found: H5Object = self
        for part in name.strip("/").split("/"):
            if not isinstance(found, H5Group) or part not in found._members:
                raise KeyError(name)
            found = found._members[part]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def group(self, name: str) -> "H5Group":
        """Return the group of that name.

        Raises:
            UsageError: If there is none; names the nearest.
        """
        found = self.get(name)
        if isinstance(found, H5Group):
            return found
        raise UsageError(self._lacks("group", name, H5Group))

    def dataset(self, name: str) -> H5Dataset:
        """Return the dataset of that name.

        Raises:
            UsageError: If there is none; names the nearest.
        """
        found = self.get(name)
        if isinstance(found, H5Dataset):
            return found
        raise UsageError(self._lacks("dataset", name, H5Dataset))

    def datasets(self) -> Iterator[H5Dataset]:
        """Yield every dataset below this group, in the order of the file."""
        waiting: list[H5Object] = [self]
        while waiting:
            item = waiting.pop()
            if isinstance(item, H5Group):
                waiting.extend(reversed(item._members.values()))
            else:
                yield item

    def _lacks(self, kind: str, name: str, wanted: type) -> str:
        names = [key for key, item in self._members.items() if isinstance(item, wanted)]
        return f"in the group {self.path!r}: {unknown_name(kind, name, names)}"

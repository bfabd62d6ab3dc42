"""Opens HDF5 files: every structure is visited once by our own code, libhdf5 is not asked."""

import contextlib
import struct
from collections.abc import Iterator

from epochal.core.errors import UsageError
from epochal.storage.atomic import StrPath
from epochal.storage.hdf5.attributes import read_attributes
from epochal.storage.hdf5.contents import H5Dataset, H5Group, H5Object
from epochal.storage.hdf5.headers import (
    ATTRIBUTE,
    LAYOUT,
    LINK,
    LINK_INFO,
    SPACE,
    SYMBOLS,
    TYPE,
    read_messages,
)
from epochal.storage.hdf5.heaps import GlobalHeaps
from epochal.storage.hdf5.kinds import read_shape, read_type
from epochal.storage.hdf5.layout import read_storage
from epochal.storage.hdf5.links import link_messages, symbol_links
from epochal.storage.hdf5.source import UNDEFINED, Source
from epochal.storage.spans import Span, open_span

__all__ = ["open_hdf5"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_OBJECTS = 100_000
_MAX_DEPTH = 100


@contextlib.contextmanager
def open_hdf5(source: StrPath | bytes | Span, *, max_bytes: int | None = None) -> Iterator[H5Group]:
    """Open an HDF5 file for reading, after a check of its whole structure.

    Use it for every HDF5 file that is read. The subset that Keras and h5py write by default is
    read, by our own code: libhdf5 can be driven into an endless loop by a file of 9.7 kB, and
    follows links into other files. What the subset lacks is refused.

    Args:
        source: The file, the bytes of one, or a member of an archive.
        max_bytes: How many bytes all arrays may take in memory; None: what the file's size allows
            (its own size, or 16 times as much and 16 MiB if compressed).

    Yields:
        The root group. Arrays are read by `H5Dataset.read` inside of the block.

    Raises:
        FileMissingError: If the file is not there; names the one with the nearest name.
        UsageError: If it is no HDF5 file, a damaged one, or has what is never read: links to other
            places, data in other files, virtual datasets, references, values made of parts, other
            filters than gzip and shuffle, objects with two names, bytes with two meanings, arrays
            that declare more than is stored.

    Example:
        >>> import tempfile
        >>> from epochal.storage import write_hdf5
        >>> file = f"{tempfile.mkdtemp()}/a.h5"
        >>> write_hdf5(file, lambda root: root.create_dataset("layer/kernel", data=[1.0, 2.0]))
        >>> with open_hdf5(file) as root:
        ...     root.dataset("layer/kernel").read()
        array([1., 2.])
    """
    with open_span(source) as span:
        root = _Reader(Source(span)).read()
        needed = sum(dataset.nbytes for dataset in root.datasets())
        if max_bytes is not None and needed > max_bytes:
            raise UsageError(
                f"{span.what} is refused: its arrays take {needed:,} bytes and {max_bytes:,} are "
                "allowed; raise max_bytes if you trust where it comes from"
            )
        yield root


class _Reader:
    """One walk over the structure of a file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._heaps = GlobalHeaps(source)
        self._objects = 0

    def read(self) -> H5Group:
        root = self._object(self._root(), "/", 0)
        self._source.check_overlaps()
        if not isinstance(root, H5Group):
            self._source.refuse("its root is no group")
        return root

    def _root(self) -> int:
        """Return the address of the root group's header."""
        source = self._source
        if source.size < 96 or source.span.read(0, 8) != _SIGNATURE:
            source.refuse("it is no HDF5 file, or was cut short")
        start = source.take(0, 96, "its head")
        versions, sizes = start[8:13], start[13:15]
        if versions[0] in (2, 3):
            source.refuse(
                "it was written with libver='latest', of which the structure is another; write it "
                "again with h5py's default"
            )
        if versions.strip(b"\0") or sizes != b"\x08\x08":
            source.refuse("its head is damaged, or of a kind that h5py does not write by default")
        base, free, end, driver = struct.unpack_from("<QQQQ", start, 24)
        if base or free != UNDEFINED or driver != UNDEFINED:
            source.refuse("its head asks for another file or driver, or is damaged")
        if end != source.size:
            source.refuse(
                f"it has {source.size:,} bytes and says that it has {end:,}: it was cut short, or "
                "something was added behind its end"
            )
        return int(struct.unpack_from("<Q", start, 64)[0])

    def _object(self, address: int, path: str, depth: int) -> H5Object:
        source = self._source
        where = repr(path if len(path) <= 200 else path[:200] + "...")
        self._objects += 1
        if self._objects > _MAX_OBJECTS:
            source.refuse(f"it has more than {_MAX_OBJECTS:,} groups and datasets")
        messages = read_messages(source, address, where)
        attrs = read_attributes(source, self._heaps, messages.get(ATTRIBUTE, []), where)
        kinds = set(messages) - {ATTRIBUTE}
        if kinds == {SYMBOLS}:
            links = symbol_links(source, messages[SYMBOLS][0], where)
            return H5Group(path, self._members(links, path, where, depth), attrs)
        if LINK_INFO in kinds and kinds <= {LINK_INFO, LINK}:
            links = link_messages(source, messages[LINK_INFO][0], messages.get(LINK, []), where)
            return H5Group(path, self._members(links, path, where, depth), attrs)
        if not {SPACE, TYPE, LAYOUT} <= kinds or kinds & {SYMBOLS, LINK, LINK_INFO}:
            source.refuse(f"{where} is neither a group nor a dataset")
        kind = read_type(source, messages[TYPE][0], where)
        if kind.text or kind.heap:
            source.refuse(f"{where} is a dataset of text; datasets of numbers are read")
        if kind.bfloat16 and attrs.get("dtype") != "bfloat16":
            source.refuse(f"{where} holds values of two bytes without saying what they are")
        shape = read_shape(source, messages[SPACE][0], where)
        if shape is None:
            source.refuse(f"{where} is a dataset without a shape")
        storage = read_storage(source, messages, shape, kind.size, where)
        return H5Dataset(source, path, kind, shape, storage, attrs)

    def _members(
        self, links: list[tuple[str, int]], path: str, where: str, depth: int
    ) -> dict[str, H5Object]:
        if depth > _MAX_DEPTH:
            self._source.refuse(f"its groups are nested deeper than {_MAX_DEPTH} levels")
        members: dict[str, H5Object] = {}
        for name, address in links:
            if name in members:
                self._source.refuse(f"{where} holds the name {name!r} twice")
            members[name] = self._object(address, f"{path.rstrip('/')}/{name}", depth + 1)
        return members

"""TensorBoard's event files: one writer for each folder, no TensorFlow."""

import contextlib
import errno
import io
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epochal.storage.atomic import StorageError, remove_file
from epochal.storage.disk import disk

__all__ = ["EventWriter", "cut_back", "ledger", "require_tensorboard", "scalars"]

_BUCKETS = 30  # TensorBoard's own default
_EVENTS = "events.out.tfevents.*"


def require_tensorboard() -> None:
    """Import the `tensorboard` package, which only those who use it need to have.

    Raises:
        ImportError: Saying how to install it.
    """
    try:
        import tensorboard.summary.writer.event_file_writer  # noqa: F401 (only to see that it is)
    except ImportError as error:
        raise ImportError(
            "TensorBoard needs the tensorboard package (not TensorFlow): "
            'pip install "epochal[tensorboard]"'
        ) from error


class EventWriter:
    """Appends to a new event file of a folder, in the form of TensorFlow 2's summaries.

    A thread of the tensorboard package does the writing; its errors (a full disk) are raised by
    the next call.

    Args:
        folder: Made if it is missing.
        run_id: Of the run, if it is saved: it stands in the file's name, so that the run knows its
            own files again.
    """

    def __init__(self, folder: Path, run_id: str | None = None) -> None:
        self.folder = folder
        self._file = _open_last(folder, _suffix(run_id))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one number (as float32, the precision of every TensorBoard scalar)."""
        from tensorboard.plugins.scalar.metadata import create_summary_metadata

        self._summary(tag, np.float32(value), create_summary_metadata(None, None), step)

    def histogram(self, tag: str, values: np.ndarray[Any, Any], step: int) -> None:
        """Write how values are spread, in 30 buckets; NaN and infinities have no place in one."""
        from tensorboard.plugins.histogram.metadata import create_summary_metadata

        finite = values[np.isfinite(values)].astype(np.float64)
        buckets = np.zeros((_BUCKETS, 3))
        if finite.size:
            low, high = finite.min(), finite.max()
            if low == high:  # as TensorBoard has it: everything in the last bucket
                buckets[:, :2], buckets[-1, 2] = low, finite.size
            else:
                counts, edges = np.histogram(finite, _BUCKETS, (low, high))
                buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._summary(tag, buckets, create_summary_metadata(None, None), step)

    def images(self, tag: str, images: Sequence[np.ndarray[Any, Any]], step: int) -> None:
        """Write pictures of one size: bytes of shape (height, width, 1, 3 or 4)."""
        from tensorboard.plugins.image.metadata import create_summary_metadata

        height, width, _ = images[0].shape
        content = [str(width).encode(), str(height).encode(), *map(_png, images)]
        self._summary(tag, np.array(content, object), create_summary_metadata(None, None), step)

    def graph(self, graph: Any) -> None:
        """Write the run's graph, a `GraphDef`."""
        from tensorboard.compat.proto.event_pb2 import Event

        self._file.add_event(Event(wall_time=time.time(), graph_def=graph.SerializeToString()))

    def graph_extra(self, tag: str, plugin: str, content: bytes, step: int) -> None:
        """Write what the Graphs tab shows beside the graph: a conceptual one, or a profile."""
        from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

        about = SummaryMetadata.PluginData(plugin_name=plugin, content=b"1")
        self._summary(tag, np.array(content, object), SummaryMetadata(plugin_data=about), step)

    def flush(self) -> None:
        """Bring everything written so far to the file."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; further calls are errors."""
        self._file.close()

    def _summary(self, tag: str, value: Any, metadata: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.util.tensor_util import make_tensor_proto

        summary = Summary()
        summary.value.add(tag=tag, metadata=metadata, tensor=make_tensor_proto(value))
        self._file.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def ledger(folder: Path, run_id: str) -> dict[str, int]:
    """Return how long each event file of a run is; what they hold is durable then."""
    found = {}
    for path in _files(folder, run_id):
        with _told("sync", path):
            handle = disk().open(path, os.O_RDONLY)
            try:
                disk().sync(handle)
                found[path.name] = os.fstat(handle).st_size
            finally:
                disk().close(handle)
    if found:
        with _told("sync", folder):  # a file without a name is none
            disk().sync_folder(folder)
    return found


def cut_back(folder: Path, run_id: str, files: Mapping[str, int]) -> None:
    """Take a run's event files back to what a ledger says; what came later will come again.

    TensorBoard's own way, to hide all steps of a folder from one on, is none here: epochs, batches
    and updates count different things, and stand in one folder.
    """
    for path in _files(folder, run_id):
        if path.name not in files:
            remove_file(path)
            continue
        if path.stat().st_size > files[path.name]:
            with _told("cut", path):
                handle = disk().open(path, os.O_RDWR)
                try:
                    disk().truncate(handle, files[path.name])
                finally:
                    disk().close(handle)


@contextlib.contextmanager
def _told(verb: str, path: Path) -> Iterator[None]:
    """Let an error of the disk say which file it met, as every other one that a save meets."""
    try:
        yield
    except OSError as error:
        reason = f"TensorBoard: cannot {verb} {path}: {error.strerror or error}"
        raise StorageError(error.errno or errno.EIO, reason) from error


def _open_last(folder: Path, suffix: str) -> Any:
    """Begin a file that TensorBoard reads after all others of the folder.

    It goes by their names, which tell the second, the host, the process and a counter as text: of
    two files of one second, process 10000 would come before 9999. Then the next second is awaited.
    """
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    others = set(folder.glob(_EVENTS))
    file = EventFileWriter(str(folder), filename_suffix=suffix)
    begun = set(folder.glob(_EVENTS)) - others
    mine = next(path for path in begun if f".{os.getpid()}." in path.name)
    if mine == max(others | begun):
        return file
    file.close()
    disk().unlink(mine)
    time.sleep(1 - time.time() % 1)
    return EventFileWriter(str(folder), filename_suffix=suffix)


def _files(folder: Path, run_id: str) -> list[Path]:
    return sorted(folder.glob(_EVENTS + _suffix(run_id)))


def _suffix(run_id: str | None) -> str:
    return ".v2" if run_id is None else f".{run_id[:12]}.v2"


def scalars(name: str, value: Any) -> list[tuple[str, float]]:
    """Return a logged value as tags and numbers: one, or one for each part of a vector or dict.

    Example:
        >>> scalars("loss", 0.5), scalars("f1", [0.25, 1.0]), scalars("note", "text")
        ([('loss', 0.5)], [('f1/0', 0.25), ('f1/1', 1.0)], [])
    """
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
        parts = list(enumerate(value))
    else:
        try:
            return [(name, float(value))]
        except (TypeError, ValueError):
            return []  # text: nothing to draw
    return [found for key, part in parts for found in scalars(f"{name}/{key}", part)]


def as_bytes(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return values as the bytes of a picture: the smallest black, the largest white."""
    finite = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(finite).all():
        return np.zeros(values.shape, np.uint8)
    low, high = float(np.nanmin(finite)), float(np.nanmax(finite))
    scale = 255 / (high - low) if high > low and math.isfinite(high - low) else 0.0
    shown: np.ndarray[Any, Any] = np.round(np.nan_to_num(finite - low) * scale).astype(np.uint8)
    return shown


def _png(image: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()

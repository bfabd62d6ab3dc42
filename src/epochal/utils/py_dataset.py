"""Batches found by number: what a Keras script reads its files with."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Never

from epochal.core.errors import Problems, UsageError, reject_unknown

__all__ = ["PyDataset", "Sequence"]


class PyDataset:
    """Batches by number, made when they are needed; give one to `fit`, `evaluate` or `predict`.

    Write `__len__`, the number of batches, and `__getitem__`, which returns one: `(x, y)`,
    `(x, y, sample_weight)` or `x`. A pass goes through them in order and then calls
    `on_epoch_end`, where a data set may shuffle its rows. For new code a `torch.utils.data.Dataset`
    of single rows does more: `fit` shuffles it, and a `DataLoader` reads it in several processes.

    Args:
        workers: 1; here batches are made by the thread that trains.
        use_multiprocessing: False.
        max_queue_size: Of no effect, as there is no queue.

    Raises:
        UsageError: If other workers are asked for.

    Example:
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         return [float(index)], [float(index) ** 2]
        >>> list(Squares())
        [([0.0], [0.0]), ([1.0], [1.0])]
    """

    def __init__(
        self,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        **unknown: Never,
    ) -> None:
        reject_unknown(PyDataset.__init__, unknown)
        problems = Problems(type(self).__name__)
        for name, value, known in (
            ("workers", workers, (0, 1)),
            ("use_multiprocessing", use_multiprocessing, (False,)),
        ):
            if value not in known:
                problems.add(
                    f"{name}={value!r} is not supported: leave it out, or give fit a "
                    "torch.utils.data.DataLoader with num_workers over a Dataset of single rows"
                )
        problems.raise_if_any()
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of batches."""
        raise UsageError(f"{type(self).__name__} has no __len__; return the number of batches")

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """Return one batch."""
        raise UsageError(f"{type(self).__name__} has no __getitem__(self, index); return a batch")

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of one pass."""
        self.on_epoch_begin()
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()

    def on_epoch_begin(self) -> None:
        """Run before a pass."""

    def on_epoch_end(self) -> None:
        """Run after a pass, to shuffle for the next."""


Sequence = PyDataset  # Keras' older name

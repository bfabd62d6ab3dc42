"""How batches get to the device, on a GPU while it computes."""

import torch
from torch import Tensor

__all__ = ["Transfer", "pinning_pays"]


def pinning_pays(device: torch.device | None) -> bool:
    """Whether pinned memory is worth its price on the way to a device."""
    return device is not None and device.type == "cuda"


class Transfer:
    """Copies tensors to a device.

    To a GPU they travel in a stream of their own: the host, which is ahead of the device, loads and
    sends the next batch while the last one is computed. From pinned memory it does not even wait
    until they have left (a `DataLoader` pins with `pin_memory=True`).

    Args:
        device: Where they go; None to leave them where they are.
        kept: Whether the memory they come from keeps its values. What somebody fills again for the
            next batch must not be read later.

    Example:
        >>> Transfer(torch.device("cpu"))(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, device: torch.device | None, *, kept: bool = True) -> None:
        self.device = device
        self._kept = kept
        self._stream: torch.cuda.Stream | None = None
        if pinning_pays(device):
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return a tensor where it is needed."""
        if self.device is None or tensor.device == self.device:
            return tensor
        if self._stream is None:
            return tensor.to(self.device, non_blocking=self._kept)
        with torch.cuda.stream(self._stream):
            sent = tensor.to(self.device, non_blocking=self._kept)
        present = torch.cuda.current_stream(self.device)
        present.wait_stream(self._stream)  # the device waits, not the host
        sent.record_stream(present)  # or its memory might serve the next batch too early
        return sent

    def gather(self, tensor: Tensor, rows: Tensor) -> Tensor:
        """Return some rows of a tensor where they are needed."""
        if self._stream is None or tensor.device == self.device:
            return self(tensor.index_select(0, rows.to(tensor.device, non_blocking=True)))
        shape = (len(rows), *tensor.shape[1:])
        pinned = torch.empty(shape, dtype=tensor.dtype, pin_memory=True)
        return self(torch.index_select(tensor, 0, rows, out=pinned))

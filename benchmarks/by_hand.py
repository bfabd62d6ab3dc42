"""The loop one writes by hand for speed, and the one most people write; both in plain torch."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from nets import METRICS, build, inputs, loss_of
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from workloads import Workload

__all__ = ["ByHand", "ByLoader"]


def casting(precision: str) -> contextlib.AbstractContextManager[Any]:
    """Return torch's autocast for a precision, or nothing."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


class ByHand:
    """The best loop for the case at hand.

    Tensors are gathered once an epoch and batches are views of that, which beats indexing batch by
    batch; Adam is torch's fused one; sums stay on the device and are read once an epoch; images
    are channels_last.
    """

    def __init__(self, workload: Workload, net: nn.Module | None = None) -> None:
        self.workload = workload
        self.net = build(workload) if net is None else net
        self.x, self.y = inputs(workload.x), inputs(workload.y)
        self.held_out = None
        if workload.held_out is not None:
            self.held_out = (inputs(workload.held_out[0]), inputs(workload.held_out[1]))
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, eps=1e-7, fused=True)
        self.loss = loss_of(workload)
        self.metrics = [METRICS[name] for name in workload.metrics]
        self.gathers = True
        """Whether an epoch's rows are gathered at once; batch by batch takes less memory."""
        self.logs: dict[str, list[float]] = {}

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        x, batch = self.x, self.workload.batch
        self.logs = {}
        for _ in range(epochs):
            order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
            self.net.train()
            self._note("", self._train(order, batch), len(x))
            if self.held_out is not None:
                self.net.eval()
                with torch.no_grad():
                    sums = self._validate(*self.held_out, batch)
                self._note("val_", sums, len(self.held_out[0]))
        return self.logs["loss"]

    def _train(self, order: Tensor, batch: int) -> list[Tensor]:
        net, loss_of, optimizer, metrics = self.net, self.loss, self.optimizer, self.metrics
        total = torch.zeros(())
        sums = [torch.zeros(()) for _ in metrics]
        cast = casting(self.workload.precision)
        casts = self.workload.precision != "float32"
        for rows, wanted in self._batches(order, batch):
            if casts:
                with cast:
                    outputs = net(rows)
                outputs = outputs.float()
            else:
                outputs = net(rows)
            loss = loss_of(outputs, wanted)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.detach() * len(rows)
            if metrics:
                outputs = outputs.detach()
                for value, metric in zip(sums, metrics, strict=True):
                    value += metric(outputs, wanted)
        return [total, *sums]

    def _batches(self, order: Tensor, batch: int) -> Any:
        if self.gathers:
            return zip(self.x[order].split(batch), self.y[order].split(batch), strict=True)
        return ((self.x[rows], self.y[rows]) for rows in order.split(batch))

    def _validate(self, x: Tensor, y: Tensor, batch: int) -> list[Tensor]:
        total = torch.zeros(())
        sums = [torch.zeros(()) for _ in self.metrics]
        for rows, wanted in zip(x.split(batch), y.split(batch), strict=True):
            with casting(self.workload.precision):
                outputs = self.net(rows)
            outputs = outputs.float()
            total += self.loss(outputs, wanted) * len(rows)
            for value, metric in zip(sums, self.metrics, strict=True):
                value += metric(outputs, wanted)
        return [total, *sums]

    def _note(self, prefix: str, sums: list[Tensor], rows: int) -> None:
        for name, value in zip(("loss", *self.workload.metrics), sums, strict=True):
            self.logs.setdefault(prefix + name, []).append(value.item() / rows)


class ByLoader:
    """The loop of most tutorials: a DataLoader, Adam as it comes, `loss.item()` every step."""

    def __init__(self, workload: Workload) -> None:
        if workload.callbacks:
            raise NotImplementedError("a loop without a library has no callbacks")
        self.workload = workload
        self.net = build(workload, channels_last=False)
        self.data = TensorDataset(inputs(workload.x), inputs(workload.y))
        self.held_out = None
        if workload.held_out is not None:
            self.held_out = TensorDataset(*(inputs(array) for array in workload.held_out))
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, eps=1e-7)
        self.loss = loss_of(workload)

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        losses = []
        loader = DataLoader(self.data, self.workload.batch, shuffle=shuffle)
        for _ in range(epochs):
            self.net.train()
            losses.append(self._pass(loader, self._step))
            if self.held_out is not None:
                self.net.eval()
                with torch.no_grad():
                    self._pass(DataLoader(self.held_out, self.workload.batch), self._score)
        return losses

    def _pass(
        self, loader: DataLoader[Any], step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    ) -> float:
        total, count, sums = 0.0, 0, [0.0 for _ in self.workload.metrics]
        for rows, wanted in loader:
            outputs, loss = step(rows, wanted)
            total += loss.item() * len(rows)
            count += len(rows)
            for index, name in enumerate(self.workload.metrics):
                sums[index] += METRICS[name](outputs, wanted).item()
        return total / count

    def _step(self, rows: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad()
        outputs, loss = self._score(rows, wanted)
        loss.backward()
        self.optimizer.step()
        return outputs.detach(), loss.detach()

    def _score(self, rows: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        with casting(self.workload.precision):
            outputs = self.net(rows)
        outputs = outputs.float()
        return outputs, self.loss(outputs, wanted)

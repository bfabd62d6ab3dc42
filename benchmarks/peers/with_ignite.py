"""The trainings with Ignite's ready-made trainer and evaluator."""

import csv
import tempfile
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import EarlyStopping, ModelCheckpoint, TerminateOnNan
from ignite.handlers.param_scheduler import ReduceLROnPlateauScheduler
from ignite.metrics import Accuracy, Loss, MeanAbsoluteError, MeanSquaredError
from nets import build, inputs, loss_of
from torch.utils.data import DataLoader, TensorDataset
from workloads import Workload

__all__ = ["WithIgnite"]


class WithIgnite:
    def __init__(self, workload: Workload) -> None:
        if workload.precision != "float32":
            raise NotImplementedError("Ignite's autocast is for GPUs")
        self.workload = workload
        self.net = build(workload)
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, eps=1e-7)
        self.loss = loss_of(workload)
        self.data = TensorDataset(inputs(workload.x), inputs(workload.y))
        self.held_out = None
        if workload.held_out is not None:
            held_out = TensorDataset(*(inputs(array) for array in workload.held_out))
            self.held_out = DataLoader(held_out, workload.batch)

    def metrics(self) -> dict[str, Any]:
        rounded = self.workload.binary

        def classes(output: Any) -> Any:
            outputs, wanted = output[-2:]
            return (outputs > 0.5, wanted) if rounded else (outputs, wanted)

        makers = {
            "accuracy": lambda: Accuracy(classes),
            "mae": lambda: MeanAbsoluteError(lambda output: output[-2:]),
            "mse": lambda: MeanSquaredError(lambda output: output[-2:]),
        }
        return {name: makers[name]() for name in self.workload.metrics}

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        losses: list[float] = []
        seen: list[float] = []
        trainer = create_supervised_trainer(
            self.net,
            self.optimizer,
            self.loss,
            output_transform=lambda _, y, outputs, loss: (loss.item(), outputs.detach(), y),
        )
        for name, metric in self.metrics().items():
            metric.attach(trainer, name)
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: seen.append(engine.state.output[0])
        )

        def close(_: Any) -> None:
            losses.append(sum(seen) / len(seen))
            seen.clear()

        trainer.add_event_handler(Events.EPOCH_COMPLETED, close)
        with tempfile.TemporaryDirectory() as folder:
            if self.held_out is not None:
                self.validate(trainer, self.held_out, Path(folder))
            loader = DataLoader(self.data, self.workload.batch, shuffle=shuffle)
            trainer.run(loader, max_epochs=epochs)
        return losses

    def validate(self, trainer: Any, held_out: DataLoader[Any], folder: Path) -> None:
        metrics = {**self.metrics(), "loss": Loss(self.loss)}
        evaluator = create_supervised_evaluator(self.net, metrics)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda _: evaluator.run(held_out))
        if not self.workload.callbacks:
            return
        trainer.add_event_handler(Events.ITERATION_COMPLETED, TerminateOnNan(lambda out: out[0]))
        stop = EarlyStopping(10**6, lambda engine: -engine.state.metrics["loss"], trainer)
        best = ModelCheckpoint(
            str(folder),
            score_function=lambda engine: engine.state.metrics["accuracy"],
            require_empty=False,
        )
        plateau = ReduceLROnPlateauScheduler(self.optimizer, "loss", patience=10**6)
        evaluator.add_event_handler(Events.COMPLETED, stop)
        evaluator.add_event_handler(Events.COMPLETED, best, {"model": self.net})
        evaluator.add_event_handler(Events.COMPLETED, plateau)

        def row(engine: Any) -> None:
            with (folder / "log.csv").open("a", newline="") as file:
                csv.writer(file).writerow([*engine.state.metrics.values()])

        evaluator.add_event_handler(Events.COMPLETED, row)

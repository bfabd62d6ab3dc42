"""The trainings with Hugging Face: a loop prepared by Accelerate, and Transformers' Trainer."""

import tempfile
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from nets import METRICS, build, inputs, loss_of
from torch import Tensor, nn
from torch.utils.data import DataLoader, SequentialSampler, TensorDataset
from transformers import Trainer, TrainingArguments
from workloads import Workload

__all__ = ["WithAccelerate", "WithTrainer"]


class WithAccelerate:
    def __init__(self, workload: Workload) -> None:
        if workload.callbacks:
            raise NotImplementedError("Accelerate has no callbacks")
        self.workload = workload
        half = workload.precision == "bfloat16"
        AcceleratorState._reset_state()  # it refuses a second precision in one process
        self.accelerator = Accelerator(cpu=True, mixed_precision="bf16" if half else "no")
        net = build(workload)
        trained = [p for p in net.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, eps=1e-7)
        self.net, self.optimizer = self.accelerator.prepare(net, optimizer)
        self.loss = loss_of(workload)
        self.data = TensorDataset(inputs(workload.x), inputs(workload.y))
        self.held_out = None
        if workload.held_out is not None:
            held_out = TensorDataset(*(inputs(array) for array in workload.held_out))
            self.held_out = self.accelerator.prepare(DataLoader(held_out, workload.batch))

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        loader = DataLoader(self.data, self.workload.batch, shuffle=shuffle)
        loader = self.accelerator.prepare(loader)
        losses = []
        for _ in range(epochs):
            self.net.train()
            total = torch.zeros(())
            sums = [torch.zeros(()) for _ in self.workload.metrics]
            for rows, wanted in loader:
                self.optimizer.zero_grad()
                outputs = self.net(rows)
                loss = self.loss(outputs, wanted)
                self.accelerator.backward(loss)
                self.optimizer.step()
                total += loss.detach() * len(rows)
                for value, name in zip(sums, self.workload.metrics, strict=True):
                    value += METRICS[name](outputs.detach(), wanted)
            losses.append(total.item() / len(self.data))
            if self.held_out is not None:
                self.validate(self.held_out)
        return losses

    def validate(self, held_out: Any) -> None:
        self.net.eval()
        total = torch.zeros(())
        sums = [torch.zeros(()) for _ in self.workload.metrics]
        with torch.no_grad():
            for rows, wanted in held_out:
                outputs = self.net(rows)
                total += self.loss(outputs, wanted) * len(rows)
                for value, name in zip(sums, self.workload.metrics, strict=True):
                    value += METRICS[name](outputs, wanted)


class Answer(nn.Module):
    """A net that returns its loss with its outputs, as the Trainer wants it."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.net = build(workload)
        self.loss = loss_of(workload)

    def forward(self, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
        outputs = self.net(rows)
        return {"loss": self.loss(outputs.float(), labels), "logits": outputs}


class Ordered(Trainer):
    """A Trainer that can leave the rows in their order, for comparing losses."""

    shuffles = True

    def _get_train_sampler(self, *given: Any) -> Any:
        if self.shuffles:
            return super()._get_train_sampler(*given)
        return SequentialSampler(self.train_dataset)


class Pairs(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Rows with their targets by the names of `Answer.forward`."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = inputs(x), inputs(y)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"rows": self.x[index], "labels": self.y[index]}


class WithTrainer:
    def __init__(self, workload: Workload) -> None:
        if workload.callbacks:
            raise NotImplementedError("the Trainer has neither a plateau rule, a NaN guard nor CSV")
        if workload.metrics and workload.held_out is None:
            raise NotImplementedError("the Trainer has no metrics on the training data")
        self.workload = workload
        self.module = Answer(workload)
        for parameter in self.module.parameters():
            parameter.data = parameter.data.contiguous()
        self.data = Pairs(workload.x, workload.y)
        self.held_out = None
        if workload.held_out is not None:
            self.held_out = Pairs(*workload.held_out)

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of all epochs, which is what the Trainer knows."""
        metrics = self.workload.metrics

        def compute(given: Any) -> dict[str, float]:
            outputs, wanted = (torch.from_numpy(part) for part in given)
            return {name: METRICS[name](outputs, wanted).item() / len(wanted) for name in metrics}

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=self.workload.batch,
                per_device_eval_batch_size=self.workload.batch,
                learning_rate=1e-3,
                adam_epsilon=1e-7,
                weight_decay=0.0,
                max_grad_norm=0.0,
                lr_scheduler_type="constant",
                bf16=self.workload.precision == "bfloat16",
                eval_strategy="no" if self.held_out is None else "epoch",
                logging_strategy="no",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
                label_names=["labels"],
            )
            trainer = Ordered(
                self.module,
                arguments,
                train_dataset=self.data,
                eval_dataset=self.held_out,
                compute_metrics=compute if metrics else None,
            )
            trainer.shuffles = shuffle
            return [float(trainer.train().training_loss)]

"""The trainings with Lightning: nothing switched on that the others do without."""

import tempfile
import warnings
from typing import Any

import lightning
import torch
from lightning.pytorch import callbacks, loggers
from nets import METRICS, build, inputs, loss_of
from torch.utils.data import DataLoader, TensorDataset
from workloads import Workload

__all__ = ["WithLightning"]

warnings.filterwarnings("ignore", module="lightning")


class Trained(lightning.LightningModule):
    """A net with its loss and metrics, logged once an epoch."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.workload = workload
        self.net = build(workload)
        self.loss = loss_of(workload)
        self.losses: list[torch.Tensor] = []

    def score(self, batch: Any, prefix: str) -> torch.Tensor:
        rows, wanted = batch
        outputs = self.net(rows)
        loss = self.loss(outputs.float(), wanted)
        if prefix and self.workload.callbacks:
            self.log("val_loss", loss, batch_size=len(rows))
        for name in self.workload.metrics:
            mean = METRICS[name](outputs.detach(), wanted) / len(rows)
            self.log(prefix + name, mean, on_step=False, on_epoch=True, batch_size=len(rows))
        return loss

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        loss = self.score(batch, "")
        self.losses.append(loss.detach())
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.score(batch, "val_")

    def configure_optimizers(self) -> Any:
        trained = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, eps=1e-7)
        if not self.workload.callbacks:
            return optimizer
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=10**6)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"},
        }


class WithLightning:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.module = Trained(workload)
        self.data = TensorDataset(inputs(workload.x), inputs(workload.y))
        self.held_out = None
        if workload.held_out is not None:
            held_out = TensorDataset(*(inputs(array) for array in workload.held_out))
            self.held_out = DataLoader(held_out, workload.batch)

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        with tempfile.TemporaryDirectory() as folder:
            trainer = lightning.Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                precision="bf16-mixed" if self.workload.precision == "bfloat16" else "32-true",
                logger=loggers.CSVLogger(folder) if self.workload.callbacks else False,
                callbacks=self.five(folder) if self.workload.callbacks else None,
                enable_checkpointing=self.workload.callbacks,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                default_root_dir=folder,
            )
            self.module.losses.clear()
            loader = DataLoader(self.data, self.workload.batch, shuffle=shuffle)
            trainer.fit(self.module, loader, self.held_out)
        losses = torch.stack(self.module.losses).reshape(epochs, -1).mean(1)
        return [float(loss) for loss in losses]

    @staticmethod
    def five(folder: str) -> list[Any]:
        return [
            callbacks.EarlyStopping("val_loss", patience=10**6, check_finite=True),
            callbacks.ModelCheckpoint(
                folder, monitor="val_accuracy", mode="max", save_weights_only=True
            ),
        ]

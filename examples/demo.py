"""Train MiniVGG on real pictures, with everything that belongs to a run around it.

    python examples/demo.py                        handwritten digits that come with scikit-learn
    python examples/demo.py --data fashion-mnist   28x28 pictures of clothes, 30 MB downloaded once

The best model, a log and the learning curves are written to `runs/demo` (or `--out`).
"""

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score, precision_recall_fscore_support

import epochal
from epochal.callbacks import Callback, CSVLogger, EarlyStopping, History, ModelCheckpoint
from epochal.datasets import digits, fashion_mnist
from epochal.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
)

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]


class Data(NamedTuple):
    """Pictures between 0 and 1 of shape (N, height, width, 1), and what they show."""

    x_train: Images
    y_train: Labels
    x_valid: Images
    y_valid: Labels
    x_test: Images
    y_test: Labels
    classes: tuple[str, ...]


class MacroF1(Callback):
    """Scores the validation data after each epoch: F1, averaged over the classes.

    `provides` says what is added to the logs, so that the columns of the CSV file are known before
    the first epoch, and another callback may watch it.
    """

    provides = ("val_f1",)

    def __init__(self, x: Images, y: Labels) -> None:
        self.x = x
        self.y = y

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        predicted = self.model.predict(self.x, batch_size=256, verbose=0).argmax(axis=-1)
        logs["val_f1"] = float(f1_score(self.y, predicted, average="macro"))


def main() -> None:
    arguments = parse_arguments()
    epochal.utils.set_random_seed(arguments.seed)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    console = Console(soft_wrap=True)

    data = load(arguments.data, arguments.folder, arguments.images)
    model = mini_vgg(data.x_train.shape[1:], len(data.classes))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.summary()

    stopping = EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True)
    began = time.perf_counter()
    history = model.fit(
        data.x_train,
        data.y_train,
        validation_data=(data.x_valid, data.y_valid),
        epochs=arguments.epochs,
        callbacks=[
            MacroF1(data.x_valid, data.y_valid),  # first, so that those below see `val_f1`
            stopping,
            ModelCheckpoint(out / "best.safetensors", monitor="val_loss", save_best_only=True),
            CSVLogger(out / "log.csv"),
        ],
    )
    seconds = time.perf_counter() - began

    best_epoch = stopping.best_epoch or 0
    console.print(
        f"\nTrained {len(history.epoch)} epochs in {seconds:.1f} s; "
        f"the weights are those of epoch {best_epoch + 1}, the best by val_loss.\n",
        highlight=False,
    )
    console.print(report(model, data))
    draw_curves(history, best_epoch, out / "curves.png")
    for name, what in (
        ("curves.png", "learning curves"),
        ("best.safetensors", "best model, for epochal.models.load_model"),
        ("log.csv", "losses and scores of each epoch"),
    ):
        console.print(f"{what}: {out / name}", highlight=False)


def mini_vgg(input_shape: tuple[int, ...], classes: int) -> epochal.Sequential:
    """Return two blocks of convolutions and a dense layer, not compiled."""
    # Keras' default momentum of 0.99 would need ten of the digits' short epochs to catch up with
    # the batches, and validation, which uses the moving averages, would be meaningless until then.
    momentum = 0.9
    model = epochal.Sequential([Input(input_shape)])
    for filters in (32, 64):
        for _ in range(2):
            model.add(Conv2D(filters, 3, padding="same"))
            model.add(Activation("relu"))
            model.add(BatchNormalization(momentum=momentum))
        model.add(MaxPooling2D(2))
        model.add(Dropout(0.25))
    model.add(Flatten())
    model.add(Dense(512, activation="relu"))
    model.add(BatchNormalization(momentum=momentum))
    model.add(Dropout(0.5))
    model.add(Dense(classes, activation="softmax"))
    return model


def load(name: str, folder: Path | None, images: int | None) -> Data:
    """Return a data set in three parts; a seventh of the training pictures is for validation."""
    if name == "digits":
        (x, y), (x_test, y_test) = digits.load_data()
        white, classes = 16, tuple("0123456789")
    else:
        (x, y), (x_test, y_test) = fashion_mnist.load_data(folder)
        white, classes = 255, fashion_mnist.CLASS_NAMES
    x, y = x[:images], y[:images]
    split = len(x) * 6 // 7  # both data sets come shuffled

    def scaled(pictures: npt.NDArray[np.uint8]) -> Images:
        return np.divide(pictures[..., np.newaxis], white, dtype=np.float32)

    parts = (scaled(x[:split]), y[:split], scaled(x[split:]), y[split:], scaled(x_test), y_test)
    return Data(*parts, classes)


def report(model: epochal.Model, data: Data) -> Table:
    """Return precision, recall and F1 of each class on the test pictures, as a table."""
    loss, accuracy = model.evaluate(data.x_test, data.y_test, batch_size=256, verbose=0)
    predicted = model.predict(data.x_test, batch_size=256, verbose=0).argmax(axis=-1)
    every = np.arange(len(data.classes))
    scores = precision_recall_fscore_support(data.y_test, predicted, labels=every, zero_division=0)
    table = Table(
        title=f"{len(data.y_test):,} test pictures that training never saw",
        title_justify="left",
        show_footer=True,
    )
    table.add_column("class", footer="mean")
    means = [f"{values.mean():.3f}" for values in scores[:3]]
    for column, mean in zip(("precision", "recall", "F1"), means, strict=True):
        table.add_column(column, footer=mean, justify="right")
    table.add_column("pictures", footer=f"{len(data.y_test):,}", justify="right")
    for label, precision, recall, f1, count in zip(data.classes, *scores, strict=True):
        table.add_row(label, f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", f"{count:,}")
    table.caption = f"accuracy {accuracy:.2%}, loss {loss:.4f}"
    table.caption_justify = "left"
    return table


def draw_curves(history: History, best_epoch: int, file: Path) -> None:
    """Write the loss and the scores of every epoch as a picture."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    epochs = [epoch + 1 for epoch in history.epoch]
    drawn = (("loss", "val_loss"), ("accuracy", "val_accuracy", "val_f1"))
    styles = {
        "loss": "C0",
        "accuracy": "C0",
        "val_loss": "C1",
        "val_accuracy": "C1",
        "val_f1": "C2--",
    }
    for panel, names in zip(panels, drawn, strict=True):
        for name in names:
            panel.plot(epochs, history.history[name], styles[name], label=name)
        panel.axvline(best_epoch + 1, color="0.6", linestyle=":", label="best epoch")
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.25)
        panel.legend()
    panels[0].set_yscale("log")  # the last epochs differ by what a linear scale cannot show
    panels[0].set_title("Loss")
    panels[1].set_title("Scores")
    figure.savefig(file, dpi=110)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train MiniVGG and show how it went.")
    parser.add_argument("--data", choices=("digits", "fashion-mnist"), default="digits")
    parser.add_argument("--epochs", type=int, default=30, help="at most so many (30)")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the results")
    parser.add_argument("--folder", type=Path, help="folder with the files of Fashion-MNIST")
    parser.add_argument("--images", type=int, help="train on the first so many pictures only")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

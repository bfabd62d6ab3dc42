"""The benchmarks' trainings in Keras' words, which are ours as well: one script, two libraries."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from workloads import Layer, Workload, weights

__all__ = ["KerasLike"]


def layer_of(layers: Any, layer: Layer) -> Any:
    """Return one layer of a library that has Keras' names."""
    kind, *numbers = layer
    if kind == "dense":
        return layers.Dense(numbers[1], activation=numbers[2])
    if kind == "conv":
        return layers.Conv2D(numbers[1], 3, padding="same", activation="relu")
    if kind == "norm":
        return layers.BatchNormalization()
    if kind == "pool":
        return layers.MaxPooling2D()
    if kind == "flatten":
        return layers.Flatten()
    if kind == "dropout":
        return layers.Dropout(numbers[0])
    if kind == "embedding":
        return layers.Embedding(*numbers)
    if kind == "mean":
        return layers.GlobalAveragePooling1D()
    return layers.LSTM(numbers[1])


def encoder(layers: Any, x: Any, width: int, heads: int, hidden: int, rate: float) -> Any:
    """Return one layer of a transformer encoder, as torch has it, after the tensor `x`."""

    def add(x: Any, more: Any) -> Any:
        return layers.LayerNormalization(epsilon=1e-5)(
            layers.Add()([x, layers.Dropout(rate)(more)])
        )

    x = add(x, layers.MultiHeadAttention(heads, width // heads, dropout=rate)(x, x))
    inner = layers.Dropout(rate)(layers.Dense(hidden, activation="relu")(x))
    return add(x, layers.Dense(width)(inner))


def model_of(library: Any, workload: Workload) -> Any:
    """Return the net with its first weights; one with branches as Keras' graph of layers."""
    layers = library.layers
    first = layers.Input(workload.x.shape[1:], dtype=workload.x.dtype.name)
    if any(layer[0] == "encoder" for layer in workload.layers):
        x = first
        for layer in workload.layers:
            is_encoder = layer[0] == "encoder"
            x = encoder(layers, x, *layer[1:]) if is_encoder else layer_of(layers, layer)(x)
        model = library.Model(first, x)
    else:
        model = library.Sequential([first, *(layer_of(layers, each) for each in workload.layers)])
    model.set_weights(weights(workload.layers))
    return model


class KerasLike:
    """`compile` and `fit` of epochal or of Keras.

    Args:
        library: The imported package.
        workload: What to train.
        model: The net; made of the library's layers if None.
        options: More arguments of `compile`.
    """

    def __init__(self, library: Any, workload: Workload, model: Any = None, **options: Any) -> None:
        self.library, self.workload = library, workload
        self.model = model_of(library, workload) if model is None else model
        self.model.compile(
            optimizer=library.optimizers.Adam(1e-3),
            loss="binary_crossentropy" if workload.binary else "sparse_categorical_crossentropy",
            metrics=list(workload.metrics) or None,
            **options,
        )
        self.logs: dict[str, list[float]] = {}

    def run(
        self, epochs: int, shuffle: bool = True, callbacks: Any = (), verbose: int = 0
    ) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        workload = self.workload
        with contextlib.ExitStack() as stack:
            callbacks = list(callbacks)
            if workload.callbacks:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                callbacks += self.five(Path(folder))
            history = self.model.fit(
                workload.x,
                workload.y,
                batch_size=workload.batch,
                epochs=epochs,
                shuffle=shuffle,
                validation_data=workload.held_out,
                callbacks=callbacks or None,
                verbose=verbose,
            )
        self.logs = history.history
        return [float(loss) for loss in self.logs["loss"]]

    def five(self, folder: Path) -> list[Any]:
        """Return NaN guard, early stopping, best checkpoint, plateau and CSV; none of them ends it.

        The best accuracy on the held-out rows is reached within a few epochs: what is measured is
        looking at each epoch, and saving now and then.
        """
        callbacks = self.library.callbacks
        ours = self.library.__name__ == "epochal"
        best = folder / ("best.safetensors" if ours else "best.weights.h5")
        return [
            callbacks.TerminateOnNaN(),
            callbacks.EarlyStopping(monitor="val_loss", patience=10**6),
            callbacks.ModelCheckpoint(
                str(best),
                monitor="val_accuracy",
                mode="max",
                save_best_only=True,
                save_weights_only=True,
            ),
            callbacks.ReduceLROnPlateau(monitor="val_loss", patience=10**6),
            callbacks.CSVLogger(str(folder / "log.csv")),
        ]

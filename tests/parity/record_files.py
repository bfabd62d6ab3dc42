"""Writes small model files with Keras, for the tests that open them without it.

Run it once for each backend, in an environment that has Keras 3.15.1:

    KERAS_BACKEND=torch python tests/parity/record_files.py
    KERAS_BACKEND=jax   python tests/parity/record_files.py

Each file goes to `files/NAME-BACKEND.ENDING`; `files/NAME-BACKEND.json` holds its inputs, what the
model predicts, targets, and the weights after three more steps of training.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))

import cases
import side

HERE = Path(__file__).parent
L = keras.layers


def images():
    """Return convolutions, pooling and their kin."""
    return keras.Sequential(
        [
            L.Input((6, 6, 2)),
            L.Rescaling(0.5),
            L.Conv2D(2, 3, padding="same", activation="relu", kernel_constraint="max_norm"),
            L.MaxPooling2D(2),
            L.SeparableConv2D(2, 2),
            L.PReLU(shared_axes=[1, 2]),
            L.Conv2DTranspose(2, 2, strides=2),
            L.DepthwiseConv2D(2),
            L.ZeroPadding2D(1),
            L.GroupNormalization(2),
            L.GlobalAveragePooling2D(),
            L.Dropout(0.0),
            L.Dense(2, activation="softmax"),
        ],
        name="images",
    )


def words():
    """Return an embedding and recurrent layers."""
    return keras.Sequential(
        [
            L.Input((5,), dtype="int32"),
            L.Embedding(7, 3),
            L.Bidirectional(L.GRU(2, return_sequences=True)),
            L.LayerNormalization(),
            L.LSTM(3),
            L.Dense(2),
        ],
        name="words",
    )


ENDINGS = {
    "images": (".keras", ".h5"),
    "words": (".keras", ".h5", ".weights.h5"),
    "nested": (".keras", ".h5", ".weights.h5"),
    "graph": (".keras", ".h5", ".weights.h5"),
    "attention": (".keras", ".weights.h5"),
}
# The layout hardly differs between backends: one writes everything, the other what could differ.
FEW = ("words", "graph", "attention", "adam", "sgd_momentum", "adafactor")


def cases_to_record():
    """Yield name, model, inputs and optimizer."""
    yield "images", images(), [cases.numbers((3, 6, 6, 2), 0.4)], "slow"
    yield "words", words(), [cases.input_of("Embedding", (3, 5))], "slow"
    yield "nested", cases.nested(keras), [cases.numbers((3, 6, 4), 0.4)], "slow"
    for name, (make, _) in cases.FUNCTIONALS.items():
        inputs = [x[:3] for x in cases.functional_inputs(name)]
        yield name, make(keras), inputs, "slow"
    for name in cases.OPTIMIZERS:
        if name not in ("slow", "sgd", "sgd_nesterov", "sgd_clipped"):
            yield name, cases.dense(keras), [side.x3()], name


def rounded(arrays):
    """Return arrays as nested lists of numbers that JSON holds in few digits."""
    return [json.loads(json.dumps(np.asarray(a).tolist(), default=float)) for a in arrays]


def main():
    """Write every case."""
    folder = HERE / "files"
    folder.mkdir(exist_ok=True)
    backend = keras.backend.backend()
    for name, model, inputs, optimizer in cases_to_record():
        if backend != "torch" and name not in FEW:
            continue
        cases.set_numbers(model)
        targets = side.targets_for(side.predicted(model, inputs))
        if name in cases.OPTIMIZERS and "sgd" not in name:
            targets = [50 * target for target in targets]  # see `side.write`
        loss = ["mean_squared_error"] * len(targets)
        model.compile(cases.optimizer(keras, optimizer), loss)
        side.train(model, inputs, targets, 3)
        stem = f"{name}-{backend}"
        for ending in ENDINGS.get(name, (".keras",)):
            save = model.save_weights if ending == ".weights.h5" else model.save
            save(str(folder / f"{stem}{ending}"))
        predictions = side.predicted(model, inputs)
        side.train(model, inputs, targets, 3)
        record = {
            "inputs": rounded(inputs),
            "integers": [x.dtype.kind == "i" for x in inputs],
            "targets": rounded(targets),
            "predictions": rounded(predictions),
            "weights": rounded(model.get_weights()),
        }
        (folder / f"{stem}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()

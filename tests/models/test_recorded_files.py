"""Files that real Keras wrote, opened here: see tests/parity/record_files.py.

Predictions are compared to 1e-5, the weights after three more steps of training as well. The two
libraries differ by rounding alone, which is below 1e-6 in these models.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from epochal.models import Functional, Sequential, load_model

FOLDER = Path(__file__).parents[1] / "parity" / "files"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".json")


def recorded(name):
    stem = name.partition(".")[0]
    record = json.loads((FOLDER / f"{stem}.json").read_text())
    kinds = ["int32" if integer else "float32" for integer in record["integers"]]
    inputs = [np.array(x, kind) for x, kind in zip(record["inputs"], kinds, strict=True)]
    arrays = {
        key: [np.array(a, "float32") for a in record[key]]
        for key in ("targets", "predictions", "weights")
    }
    return inputs, arrays


def one_or_all(arrays):
    return arrays[0] if len(arrays) == 1 else arrays


def predictions(model, inputs):
    outputs = model.predict(one_or_all(inputs), verbose=0)
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def difference(found, expected):
    assert [a.shape for a in found] == [b.shape for b in expected]
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def opened(name):
    if not name.endswith(".weights.h5"):
        return load_model(FOLDER / name)
    model = load_model(FOLDER / name.replace(".weights.h5", ".keras"), compile=False)
    model.set_weights([0 * array for array in model.get_weights()])
    model.load_weights(FOLDER / name)
    return model


@pytest.mark.parametrize("name", FILES)
def test_what_keras_wrote_predicts_the_same_here(name):
    inputs, arrays = recorded(name)
    assert difference(predictions(opened(name), inputs), arrays["predictions"]) < 1e-5


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".weights.h5")])
def test_what_keras_trained_is_trained_on_with_its_optimizers_state(name):
    inputs, arrays = recorded(name)
    model = load_model(FOLDER / name)
    for _ in range(3):
        model.train_on_batch(one_or_all(inputs), one_or_all(arrays["targets"]))
    assert difference(model.get_weights(), arrays["weights"]) < 1e-5
    # Those of the file and these; two batches make one update where gradients are accumulated.
    assert model.optimizer.iterations == (3 if "accumulating" in name else 6)


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".weights.h5")])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_what_keras_wrote_can_be_saved_again(name, ending, tmp_path):
    inputs, arrays = recorded(name)
    model = load_model(FOLDER / name)
    model.save(tmp_path / f"again{ending}")
    again = load_model(tmp_path / f"again{ending}")
    assert difference(predictions(again, inputs), arrays["predictions"]) < 1e-5
    assert again.get_config() == model.get_config()
    for each in (model, again):
        for _ in range(3):
            each.train_on_batch(one_or_all(inputs), one_or_all(arrays["targets"]))
    # Twice through the file's float32 momentum, which Keras keeps times the rate.
    assert difference(again.get_weights(), model.get_weights()) < 1e-6


def test_the_recorded_files_hold_graphs_and_chains_of_both_backends():
    stems = {name.partition(".")[0] for name in FILES}
    assert {"graph-torch", "graph-jax", "words-torch", "words-jax", "adam-jax"} <= stems
    assert isinstance(opened("graph-jax.keras"), Functional)
    assert isinstance(opened("chain-torch.keras"), Functional)
    assert isinstance(opened("nested-torch.keras"), Sequential)

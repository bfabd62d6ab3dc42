"""Record what Keras computes for the layers of `layer_cases.py`.

Run by hand where Keras is installed: `KERAS_BACKEND=torch python tests/parity/record_layers.py`.
"""

import json
from pathlib import Path

import keras
import numpy as np
from layer_cases import BIDIRECTIONAL, CASES, SEQUENCE, input_of, numbers, weights_of


def listed(value):
    """Return nested lists of numbers of nine significant digits."""
    if isinstance(value, (list, tuple)):
        return [listed(one) for one in value]
    array = keras.ops.convert_to_numpy(value).astype("float64")
    return {"shape": list(array.shape), "values": [float(f"{v:.9g}") for v in array.flatten()]}


def record(layer, arguments, x, shape):
    """Return outputs in both modes, and the weights' shapes and later values."""
    # Keras' MultiHeadAttention takes the value as a second argument.
    inputs = (x, x) if type(layer).__name__ == "MultiHeadAttention" else (x,)
    layer(*inputs)
    layer.set_weights(weights_of([w.shape for w in layer.get_weights()], type(layer).__name__))
    row = {
        "class": type(layer).__name__,
        "arguments": arguments,
        "input_shape": list(shape),
        "weights": [list(w.shape) for w in layer.get_weights()],
        "trainable": len(layer.trainable_weights),
        "params": layer.count_params(),
        "eval": listed(layer(*inputs, **mode(layer, False))),
        "train": listed(layer(*inputs, **mode(layer, True))),
    }
    if type(layer).__name__ == "BatchNormalization":
        layer(x * 2 + 1, training=True)
        row["after"] = listed(layer.get_weights())
    symbolic = [None, *shape[1:]]
    if len(inputs) == 1:
        found = layer.compute_output_shape(tuple(symbolic))
    else:
        found = layer.compute_output_shape(tuple(symbolic), tuple(symbolic))
    row["output_shape"] = [list(s) for s in found] if isinstance(found[0], tuple) else list(found)
    return row


def mode(layer, training):
    """Return `training` for the layers whose call takes it."""
    return {"training": training} if layer._call_has_training_arg else {}


def main():
    """Write layers.json beside this file."""
    rows = {}
    for name, (kind, arguments, shape) in CASES.items():
        layer = getattr(keras.layers, kind)(**arguments)
        rows[name] = record(layer, arguments, input_of(kind, shape), shape)
    for name, (merge, kind, arguments) in BIDIRECTIONAL.items():
        inner = getattr(keras.layers, kind)(**arguments)
        layer = keras.layers.Bidirectional(inner, merge_mode=merge)
        whole = {"layer": {"class_name": kind, "config": arguments}, "merge_mode": merge}
        rows[name] = record(layer, whole, numbers(SEQUENCE, 0.3), SEQUENCE)
    attention = keras.layers.MultiHeadAttention(2, 3)
    query, value, key = (numbers((2, n, 4), s) for n, s in ((3, 0.1), (3, 0.2), (3, 0.3)))
    mask = numbers((2, 3, 3), 0.5) > -0.2
    attention(query, value, key)
    attention.set_weights(weights_of([w.shape for w in attention.get_weights()], ""))
    masked = attention(
        query, value, key, attention_mask=mask, use_causal_mask=True, return_attention_scores=True
    )
    rows["attention_masked"] = {"outputs": listed(list(masked))}

    x = np.linspace(-4, 7, 24, dtype="float32").reshape(4, 6)
    functions = {}
    for name in sorted(n for n in dir(keras.activations) if not n.startswith("_")):
        # On two axes, the sparsemax of Keras' torch backend does not sum to one.
        if name not in ("get", "serialize", "deserialize", "threshold", "sparsemax"):
            functions[name] = listed(getattr(keras.activations, name)(x))
    functions["threshold"] = listed(keras.activations.threshold(x, 1.0, -2.0))
    functions["relu_bent"] = listed(keras.activations.relu(x, 0.1, 5.0, 1.0))

    w = keras.ops.convert_to_tensor(numbers((4, 3), 0.2))
    others = {
        "l1": listed(keras.regularizers.L1(0.1)(w)),
        "l2": listed(keras.regularizers.L2(0.1)(w)),
        "l1_l2": listed(keras.regularizers.L1L2(0.1, 0.2)(w)),
        "orthogonal_rows": listed(keras.regularizers.OrthogonalRegularizer(0.1)(w)),
        "orthogonal_columns": listed(keras.regularizers.OrthogonalRegularizer(0.1, "columns")(w)),
        "max_norm": listed(keras.constraints.MaxNorm(0.8)(w)),
        "max_norm_axis_1": listed(keras.constraints.MaxNorm(0.8, axis=1)(w)),
        "non_neg": listed(keras.constraints.NonNeg()(w)),
        "unit_norm": listed(keras.constraints.UnitNorm()(w)),
        "min_max_norm": listed(keras.constraints.MinMaxNorm(1.0, 1.2, rate=0.5)(w)),
    }
    text = json.dumps(
        {"keras": keras.__version__, "layers": rows, "activations": functions, "others": others},
        separators=(",", ":"),
    )
    Path(__file__).with_name("layers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

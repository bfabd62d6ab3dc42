"""The models that both libraries build, train, save and open: one definition for both.

`library` is `keras` or `epochal`; what is called has the same name in either.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "parity"))

from layer_cases import BIDIRECTIONAL, CASES, input_of, numbers, weights_of

# Layers that draw random numbers while training: their predictions are compared, not their steps.
RANDOM = ("Dropout", "GaussianNoise", "SpatialDropout2D")

# Those that return several tensors cannot stand in a Sequential.
LAYERS = [
    name
    for name, (_, _, arguments) in {
        **{k: ("", "", v[1]) for k, v in CASES.items()},
        **BIDIRECTIONAL,
    }.items()
    if not arguments.get("return_state") and "multi_head" not in name
]

OPTIMIZERS = {
    "slow": ("SGD", {"learning_rate": 0.001, "momentum": 0.9}),
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    "sgd_ema": ("SGD", {"learning_rate": 0.05, "momentum": 0.5, "use_ema": True}),
    "sgd_accumulating": (
        "SGD",
        {"learning_rate": 0.05, "momentum": 0.5, "gradient_accumulation_steps": 2},
    ),
    "sgd_clipped": ("SGD", {"learning_rate": 0.1, "clipnorm": 0.5, "weight_decay": 0.01}),
    "adam": ("Adam", {"learning_rate": 0.01}),
    "adam_amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    "adam_scheduled": ("Adam", {"learning_rate": "decay"}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "rmsprop_centered": (
        "RMSprop",
        {"learning_rate": 0.005, "momentum": 0.5, "centered": True},
    ),
    "adagrad": ("Adagrad", {"learning_rate": 0.05}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adamax": ("Adamax", {"learning_rate": 0.01}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
    "adafactor": ("Adafactor", {"learning_rate": 0.05}),
}


def optimizer(library, name):
    """Return an optimizer of `OPTIMIZERS`."""
    kind, arguments = OPTIMIZERS[name]
    arguments = dict(arguments)
    if arguments["learning_rate"] == "decay":
        decay = library.optimizers.schedules.ExponentialDecay(0.05, decay_steps=2, decay_rate=0.8)
        arguments["learning_rate"] = decay
    return getattr(library.optimizers, kind)(**arguments)


def layer_model(library, name):
    """Return a model of one layer of the parity cases and a head, and its input's shape."""
    layers = library.layers
    if name in BIDIRECTIONAL:
        mode, kind, arguments = BIDIRECTIONAL[name]
        shape = (2, 6, 4)
        layer = layers.Bidirectional(getattr(layers, kind)(**arguments), merge_mode=mode)
    else:
        kind, arguments, shape = CASES[name]
        layer = getattr(layers, kind)(**arguments)
    dtype = "int32" if kind == "Embedding" else "float32"
    first = layers.Input(shape=shape[1:], dtype=dtype)
    model = library.Sequential([first, layer, layers.Flatten(), layers.Dense(2)], name="one")
    return model, input_of(kind, shape), kind


def dense(library):
    """Return a small model with two kinds of state: weights and averages."""
    layers = library.layers
    return library.Sequential(
        [
            layers.Input(shape=(3,)),
            layers.Dense(5, activation="tanh", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dense(2),
        ],
        name="net",
    )


def nested(library):
    """Return models in a model, some of one class."""
    layers = library.layers
    return library.Sequential(
        [
            layers.Input(shape=(6, 4)),
            library.Sequential([layers.Input(shape=(6, 4)), layers.Conv1D(3, 2)], name="before"),
            library.Sequential(
                [
                    layers.Input(shape=(5, 3)),
                    layers.BatchNormalization(),
                    layers.Bidirectional(layers.GRU(3)),
                ],
                name="middle",
            ),
            layers.Dense(3, activation="relu"),
            library.Sequential([layers.Input(shape=(3,)), layers.Dense(2)], name="after"),
        ],
        name="nest",
    )


def frozen(library):
    """Return a model of which one layer is not trained."""
    layers = library.layers
    return library.Sequential(
        [
            layers.Input(shape=(3,)),
            layers.Dense(5, activation="tanh", trainable=False),
            layers.LayerNormalization(),
            layers.Dense(2),
        ],
        name="frozen",
    )


def chain(keras):
    """Return a functional model that is a chain."""
    start = keras.Input((8, 8, 2), name="image")
    x = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="first")(start)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(start, keras.layers.Dense(2, name="head")(x), name="chain")


def graph(keras):
    """Return a functional model of two inputs and two outputs, with a shared layer."""
    layers = keras.layers
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = layers.Dense(4, activation="tanh", name="shared")
    a, b = shared(left), shared(right)
    total = layers.Add()([a, b])
    mixed = layers.Concatenate()([total, layers.Multiply()([a, b]), layers.Subtract()([a, b])])
    mixed = layers.Concatenate()([mixed, layers.Average()([a, left]), layers.Maximum()([a, b])])
    angle = layers.Dot(axes=1, normalize=True)([a, b])
    small = layers.Minimum()([a, right])
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense")], name="inner")(
        small
    )
    head = layers.Dense(2, name="head")(mixed)
    other = layers.Dense(1, name="other")(layers.Concatenate()([inner, angle]))
    return keras.Model([left, right], [head, other], name="graph")


def attention(keras):
    """Return a functional model with attention, a residual connection and a model inside."""
    layers = keras.layers
    start = keras.Input((6,), dtype="int32", name="words")
    x = layers.Embedding(7, 4)(start)
    y = layers.MultiHeadAttention(num_heads=2, key_dim=3)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    inside = keras.Input((6, 4))
    lstm = layers.LSTM(3, return_sequences=True)(inside)
    block = keras.Model(inside, layers.Dense(4)(lstm), name="block")
    x = layers.GlobalAveragePooling1D()(block(x))
    return keras.Model(start, layers.Dense(2, activation="softmax")(x), name="attention")


def measured(library):
    """Return a model of three classes, for the metrics of `classes`."""
    layers = library.layers
    return library.Sequential(
        [layers.Input(shape=(3,)), layers.Dense(3, activation="softmax")], name="measured"
    )


def classes(library):
    """Return metrics whose arguments decide what they measure."""
    kinds = library.metrics
    return [
        kinds.Precision(thresholds=[0.2, 0.35], name="at_two"),
        kinds.Precision(top_k=2, name="of_two"),
        kinds.Precision(class_id=1, thresholds=0.3),
        kinds.Recall(class_id=2, name="of_last", thresholds=[0.1, 0.3, 0.4]),
        kinds.Recall(top_k=1, class_id=0),
    ]


SEQUENTIALS = {
    "nested": (nested, (4, 6, 4)),
    "frozen": (frozen, (4, 3)),
    "measured": (measured, (4, 3)),
}
MEASURED = {"model-measured": (classes, np.eye(3, dtype="float32")[[0, 1, 2, 1]])}
FUNCTIONALS = {
    "chain": (chain, [(4, 8, 8, 2)]),
    "graph": (graph, [(4, 4), (4, 4)]),
    "attention": (attention, ["words"]),
}


def functional_inputs(name):
    """Return the inputs of a functional model."""
    shapes = FUNCTIONALS[name][1]
    if shapes == ["words"]:
        return [input_of("Embedding", (4, 6))]
    return [numbers(shape, 0.2 + i) for i, shape in enumerate(shapes)]


def set_numbers(model, kind=""):
    """Give a model weights that depend on their place alone; variances stay above 0."""
    shapes = [array.shape for array in model.get_weights()]
    values = weights_of(shapes, kind)
    if kind != "BatchNormalization":
        values = [v if len(v.shape) > 1 else np.abs(v) + 0.1 for v in values]
    model.set_weights(values)

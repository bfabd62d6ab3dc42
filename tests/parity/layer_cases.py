"""The layer configurations whose values are compared with Keras', and their made-up numbers.

Average pooling with uneven `"same"` padding is not among them: Keras' torch backend repeats the
edge there, where its other backends leave out what is outside, as epochal does.

Inputs and weights are given by a formula, so that only what Keras computed has to be stored.
"""

import numpy as np

SEQUENCE, IMAGE, VOLUME, VECTOR = (2, 6, 4), (2, 7, 6, 4), (1, 4, 5, 4, 2), (3, 5)
LARGE = (2, 9, 8, 3)

# name: (class, arguments, shape of the input)
CASES = {
    "dense": ("Dense", {"units": 3, "activation": "relu"}, VECTOR),
    "dense_without_bias": ("Dense", {"units": 3, "use_bias": False}, VECTOR),
    "dense_on_a_sequence": ("Dense", {"units": 3, "activation": "softmax"}, SEQUENCE),
    "activation": ("Activation", {"activation": "gelu"}, VECTOR),
    "relu": ("ReLU", {"max_value": 0.8, "negative_slope": 0.2, "threshold": 0.1}, VECTOR),
    "leaky_relu": ("LeakyReLU", {}, VECTOR),
    "prelu": ("PReLU", {}, IMAGE),
    "prelu_shared": ("PReLU", {"shared_axes": [1, 2]}, IMAGE),
    "elu": ("ELU", {"alpha": 0.7}, VECTOR),
    "softmax": ("Softmax", {}, VECTOR),
    "softmax_over_two_axes": ("Softmax", {"axis": [1, 2]}, SEQUENCE),
    "flatten": ("Flatten", {}, IMAGE),
    "flatten_channels_first": ("Flatten", {"data_format": "channels_first"}, IMAGE),
    "reshape": ("Reshape", {"target_shape": [2, -1]}, SEQUENCE),
    "permute": ("Permute", {"dims": [2, 1]}, SEQUENCE),
    "dropout": ("Dropout", {"rate": 0.0}, VECTOR),
    "batch_normalization": ("BatchNormalization", {}, VECTOR),
    "batch_normalization_of_images": ("BatchNormalization", {"momentum": 0.8}, IMAGE),
    "batch_normalization_axis_1": ("BatchNormalization", {"axis": 1, "epsilon": 0.01}, IMAGE),
    "batch_normalization_plain": (
        "BatchNormalization",
        {"center": False, "scale": False},
        SEQUENCE,
    ),
    "batch_normalization_center": ("BatchNormalization", {"scale": False}, VOLUME),
    "layer_normalization": ("LayerNormalization", {}, IMAGE),
    "layer_normalization_axes": ("LayerNormalization", {"axis": [1, 2]}, SEQUENCE),
    "group_normalization": ("GroupNormalization", {"groups": 2}, IMAGE),
    "instance_normalization": ("GroupNormalization", {"groups": -1, "scale": False}, IMAGE),
    "group_normalization_axis_1": ("GroupNormalization", {"groups": 3, "axis": 1}, SEQUENCE),
    "conv1d": ("Conv1D", {"filters": 3, "kernel_size": 3}, SEQUENCE),
    "conv1d_causal": (
        "Conv1D",
        {"filters": 3, "kernel_size": 2, "padding": "causal", "dilation_rate": 2},
        SEQUENCE,
    ),
    "conv1d_same": (
        "Conv1D",
        {"filters": 3, "kernel_size": 4, "padding": "same", "strides": 2},
        SEQUENCE,
    ),
    "conv1d_groups": ("Conv1D", {"filters": 4, "kernel_size": 2, "groups": 2}, SEQUENCE),
    "conv2d": ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}, IMAGE),
    "conv2d_same": ("Conv2D", {"filters": 3, "kernel_size": [3, 2], "padding": "same"}, IMAGE),
    "conv2d_same_strided": (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "padding": "same", "strides": 2},
        IMAGE,
    ),
    "conv2d_same_strided_4": (
        "Conv2D",
        {"filters": 3, "kernel_size": [4, 5], "padding": "same", "strides": [3, 2]},
        LARGE,
    ),
    "conv2d_strided": (
        "Conv2D",
        {"filters": 3, "kernel_size": 2, "strides": [2, 3], "use_bias": False},
        LARGE,
    ),
    "conv2d_dilated": (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "dilation_rate": [2, 1], "padding": "same"},
        IMAGE,
    ),
    "conv2d_groups": ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 2}, IMAGE),
    "conv2d_channels_first": (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "data_format": "channels_first"},
        (2, 4, 7, 6),
    ),
    "conv3d": (
        "Conv3D",
        {"filters": 2, "kernel_size": 2, "padding": "same", "strides": [1, 2, 2]},
        VOLUME,
    ),
    "conv2d_transpose": ("Conv2DTranspose", {"filters": 2, "kernel_size": 3}, (1, 4, 3, 3)),
    "conv2d_transpose_same": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"},
        (1, 4, 3, 3),
    ),
    "conv2d_transpose_same_even": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 4, "strides": 2, "padding": "same"},
        (1, 4, 3, 3),
    ),
    "conv2d_transpose_wide_stride": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 2, "strides": 3, "padding": "same"},
        (1, 4, 3, 3),
    ),
    "conv2d_transpose_valid_stride": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 2, "strides": 3},
        (1, 4, 3, 3),
    ),
    "conv2d_transpose_output_padding": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 0},
        (1, 4, 3, 3),
    ),
    "conv2d_transpose_valid_padding": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 3, "output_padding": 1},
        (1, 4, 3, 3),
    ),
    "conv2d_transpose_dilated": (
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2},
        (1, 4, 3, 3),
    ),
    "depthwise_conv2d": ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, IMAGE),
    "depthwise_conv2d_same": (
        "DepthwiseConv2D",
        {"kernel_size": 3, "strides": 2, "padding": "same"},
        IMAGE,
    ),
    "separable_conv2d": (
        "SeparableConv2D",
        {"filters": 3, "kernel_size": 3, "depth_multiplier": 2},
        IMAGE,
    ),
    "separable_conv2d_same": (
        "SeparableConv2D",
        {"filters": 3, "kernel_size": 2, "padding": "same", "strides": 2},
        IMAGE,
    ),
    "max_pooling1d": ("MaxPooling1D", {}, SEQUENCE),
    "max_pooling2d": ("MaxPooling2D", {}, IMAGE),
    "max_pooling2d_same": (
        "MaxPooling2D",
        {"pool_size": 3, "strides": 2, "padding": "same"},
        LARGE,
    ),
    "max_pooling2d_same_even": (
        "MaxPooling2D",
        {"pool_size": [2, 4], "strides": [3, 1], "padding": "same"},
        LARGE,
    ),
    "max_pooling3d": ("MaxPooling3D", {"padding": "same"}, VOLUME),
    "average_pooling1d": ("AveragePooling1D", {"pool_size": 3, "strides": 2}, SEQUENCE),
    "average_pooling2d": ("AveragePooling2D", {"pool_size": 2, "strides": 1}, IMAGE),
    "average_pooling3d": ("AveragePooling3D", {"pool_size": 2, "padding": "same"}, VOLUME),
    "global_max_pooling1d": ("GlobalMaxPooling1D", {}, SEQUENCE),
    "global_max_pooling2d": ("GlobalMaxPooling2D", {"keepdims": True}, IMAGE),
    "global_average_pooling1d": ("GlobalAveragePooling1D", {}, SEQUENCE),
    "global_average_pooling2d": (
        "GlobalAveragePooling2D",
        {"data_format": "channels_first"},
        IMAGE,
    ),
    "zero_padding2d": ("ZeroPadding2D", {"padding": [[1, 0], [2, 1]]}, (1, 3, 3, 2)),
    "up_sampling2d": ("UpSampling2D", {"size": [2, 3]}, (1, 3, 2, 2)),
    "up_sampling2d_bilinear": ("UpSampling2D", {"interpolation": "bilinear"}, (1, 3, 2, 2)),
    "embedding": ("Embedding", {"input_dim": 7, "output_dim": 3}, (2, 5)),
    "lstm": ("LSTM", {"units": 3}, SEQUENCE),
    "lstm_sequences": (
        "LSTM",
        {"units": 3, "return_sequences": True, "go_backwards": True},
        SEQUENCE,
    ),
    "lstm_states": ("LSTM", {"units": 3, "return_state": True, "use_bias": False}, SEQUENCE),
    "lstm_relu": (
        "LSTM",
        {"units": 3, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
        SEQUENCE,
    ),
    "gru": ("GRU", {"units": 3, "return_sequences": True}, SEQUENCE),
    "gru_states": ("GRU", {"units": 3, "return_state": True, "go_backwards": True}, SEQUENCE),
    "gru_reset_before": ("GRU", {"units": 3, "reset_after": False}, SEQUENCE),
    "gru_softsign": ("GRU", {"units": 3, "activation": "softsign", "use_bias": False}, SEQUENCE),
    "multi_head_attention": ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, SEQUENCE),
    "multi_head_attention_sizes": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "value_dim": 5, "output_shape": 6, "use_bias": False},
        SEQUENCE,
    ),
    "rescaling": ("Rescaling", {"scale": 0.5, "offset": -1.0}, IMAGE),
    "rescaling_channels": (
        "Rescaling",
        {"scale": [0.5, 1.0, 2.0, 3.0], "offset": [0.0, 1.0, 2.0, 3.0]},
        SEQUENCE,
    ),
}

# merge mode, the inner layer and its arguments
BIDIRECTIONAL = {
    "bidirectional_concat": ("concat", "LSTM", {"units": 2}),
    "bidirectional_sum": ("sum", "GRU", {"units": 2, "return_sequences": True}),
    "bidirectional_ave": ("ave", "LSTM", {"units": 2, "return_sequences": True}),
    "bidirectional_mul": ("mul", "GRU", {"units": 2}),
    "bidirectional_list": (None, "LSTM", {"units": 2, "return_state": True}),
}


def numbers(shape: tuple[int, ...], start: float) -> np.ndarray:
    """Return made-up numbers between -1 and 1 that depend on their place and on `start`."""
    count = int(np.prod(shape))
    return np.sin(np.arange(count) * 0.7 + start).reshape(shape).astype("float32")


def input_of(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the input of a case."""
    values = numbers(shape, 0.3)
    return np.abs(values * 7).astype("int32") % 7 if kind == "Embedding" else values


def weights_of(shapes: list[tuple[int, ...]], kind: str) -> list[np.ndarray]:
    """Return the weights of a case; those of a batch normalization hold variances, so above 0."""
    values = [0.4 * numbers(shape, 1.0 + 2 * i) for i, shape in enumerate(shapes)]
    return [np.abs(v) + 0.1 for v in values] if kind == "BatchNormalization" else values

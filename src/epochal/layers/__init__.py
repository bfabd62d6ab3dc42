"""Keras' layers over torch's operations: the names, arguments, defaults and shapes of Keras."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.layers.activations import ELU, LeakyReLU, PReLU, ReLU, Softmax
    from epochal.layers.attention import MultiHeadAttention
    from epochal.layers.base import Layer
    from epochal.layers.batch_normalization import BatchNormalization
    from epochal.layers.bidirectional import Bidirectional
    from epochal.layers.builtin import (
        AvgPool1D,
        AvgPool2D,
        AvgPool3D,
        Convolution1D,
        Convolution2D,
        Convolution2DTranspose,
        Convolution3D,
        GlobalAvgPool1D,
        GlobalAvgPool2D,
        GlobalMaxPool1D,
        GlobalMaxPool2D,
        MaxPool1D,
        MaxPool2D,
        MaxPool3D,
        SeparableConvolution2D,
    )
    from epochal.layers.convolution import Conv1D, Conv2D, Conv3D
    from epochal.layers.convolution_separable import DepthwiseConv2D, SeparableConv2D
    from epochal.layers.convolution_transpose import Conv2DTranspose
    from epochal.layers.core import Activation, Dense, Embedding, Lambda, Rescaling
    from epochal.layers.global_pooling import (
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
    )
    from epochal.layers.gru import GRU
    from epochal.layers.inference import output_shape
    from epochal.layers.input import Input, InputLayer
    from epochal.layers.keywords import LayerKeywords
    from epochal.layers.lstm import LSTM
    from epochal.layers.merging import (
        Add,
        Average,
        Concatenate,
        Dot,
        Maximum,
        Minimum,
        Multiply,
        Subtract,
    )
    from epochal.layers.normalization import GroupNormalization, LayerNormalization
    from epochal.layers.pooling import (
        AveragePooling1D,
        AveragePooling2D,
        AveragePooling3D,
        MaxPooling1D,
        MaxPooling2D,
        MaxPooling3D,
    )
    from epochal.layers.registry import deserialize, get, register, serialize
    from epochal.layers.regularization import Dropout, GaussianNoise, SpatialDropout2D
    from epochal.layers.reshaping import Flatten, Permute, Reshape, UpSampling2D, ZeroPadding2D
    from epochal.layers.sequences import RepeatVector, TimeDistributed
    from epochal.layers.shapes import InputSpec
    from epochal.layers.weights import NamedWeight, get_arrays, named_weights, set_arrays

__all__ = [
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Convolution1D",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Dense",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GRU",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTM",
    "Lambda",
    "Layer",
    "LayerKeywords",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "NamedWeight",
    "PReLU",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Softmax",
    "SpatialDropout2D",
    "Subtract",
    "TimeDistributed",
    "UpSampling2D",
    "ZeroPadding2D",
    "deserialize",
    "get",
    "get_arrays",
    "named_weights",
    "output_shape",
    "register",
    "serialize",
    "set_arrays",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.layers.activations": "ELU LeakyReLU PReLU ReLU Softmax",
            "epochal.layers.attention": "MultiHeadAttention",
            "epochal.layers.base": "Layer",
            "epochal.layers.batch_normalization": "BatchNormalization",
            "epochal.layers.bidirectional": "Bidirectional",
            "epochal.layers.convolution": "Conv1D Conv2D Conv3D",
            "epochal.layers.convolution_separable": "DepthwiseConv2D SeparableConv2D",
            "epochal.layers.convolution_transpose": "Conv2DTranspose",
            "epochal.layers.core": "Activation Dense Embedding Lambda Rescaling",
            "epochal.layers.global_pooling": (
                "GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D "
                "GlobalMaxPooling2D"
            ),
            "epochal.layers.gru": "GRU",
            "epochal.layers.inference": "output_shape",
            "epochal.layers.input": "Input InputLayer",
            "epochal.layers.keywords": "LayerKeywords",
            "epochal.layers.lstm": "LSTM",
            "epochal.layers.merging": (
                "Add Average Concatenate Dot Maximum Minimum Multiply Subtract"
            ),
            "epochal.layers.normalization": "GroupNormalization LayerNormalization",
            "epochal.layers.pooling": (
                "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D "
                "MaxPooling3D"
            ),
            "epochal.layers.registry": "deserialize get register serialize",
            "epochal.layers.regularization": "Dropout GaussianNoise SpatialDropout2D",
            "epochal.layers.reshaping": "Flatten Permute Reshape UpSampling2D ZeroPadding2D",
            "epochal.layers.sequences": "RepeatVector TimeDistributed",
            "epochal.layers.shapes": "InputSpec",
            "epochal.layers.weights": "NamedWeight get_arrays named_weights set_arrays",
            "epochal.layers.builtin": (
                "AvgPool1D AvgPool2D AvgPool3D Convolution1D Convolution2D Convolution2DTranspose "
                "Convolution3D GlobalAvgPool1D GlobalAvgPool2D GlobalMaxPool1D GlobalMaxPool2D "
                "MaxPool1D MaxPool2D MaxPool3D SeparableConvolution2D"
            ),
        },
    )

"""Keras' layers over torch's operations: the names, arguments, defaults and shapes of Keras."""

from epochal.layers.base import Layer
from epochal.layers.batch_normalization import BatchNormalization
from epochal.layers.convolution import Conv1D, Conv2D, Conv3D
from epochal.layers.core import Activation, Dense, Embedding, Lambda, Rescaling
from epochal.layers.inference import output_shape
from epochal.layers.input import Input, InputLayer
from epochal.layers.keywords import LayerKeywords
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
from epochal.layers.shapes import InputSpec
from epochal.layers.weights import NamedWeight, get_arrays, named_weights, set_arrays

AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D

__all__ = [
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Convolution1D",
    "Convolution2D",
    "Convolution3D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "InputSpec",
    "Lambda",
    "Layer",
    "LayerKeywords",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "NamedWeight",
    "Permute",
    "Rescaling",
    "Reshape",
    "SpatialDropout2D",
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

for _layer, _aliases in (
    (Activation, ()),
    (AveragePooling1D, ("AvgPool1D",)),
    (AveragePooling2D, ("AvgPool2D",)),
    (AveragePooling3D, ("AvgPool3D",)),
    (BatchNormalization, ()),
    (Conv1D, ("Convolution1D",)),
    (Conv2D, ("Convolution2D",)),
    (Conv3D, ("Convolution3D",)),
    (Dense, ()),
    (Dropout, ()),
    (Embedding, ()),
    (Flatten, ()),
    (GaussianNoise, ()),
    (InputLayer, ()),
    (Lambda, ()),
    (MaxPooling1D, ("MaxPool1D",)),
    (MaxPooling2D, ("MaxPool2D",)),
    (MaxPooling3D, ("MaxPool3D",)),
    (Permute, ()),
    (Rescaling, ()),
    (Reshape, ()),
    (SpatialDropout2D, ()),
    (UpSampling2D, ()),
    (ZeroPadding2D, ()),
):
    register(_layer, *_aliases)

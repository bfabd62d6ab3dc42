"""Every layer of epochal's own under the names it can be asked for by, and Keras' second names."""

from epochal.layers.activations import (
    ELU,
    LeakyReLU,
    PReLU,
    ReLU,
    Softmax,
)
from epochal.layers.attention import MultiHeadAttention
from epochal.layers.batch_normalization import BatchNormalization
from epochal.layers.bidirectional import Bidirectional
from epochal.layers.convolution import Conv1D, Conv2D, Conv3D
from epochal.layers.convolution_separable import DepthwiseConv2D, SeparableConv2D
from epochal.layers.convolution_transpose import Conv2DTranspose
from epochal.layers.core import (
    Activation,
    Dense,
    Embedding,
    Lambda,
    Rescaling,
)
from epochal.layers.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
)
from epochal.layers.gru import GRU
from epochal.layers.input import InputLayer
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
from epochal.layers.registry import register
from epochal.layers.regularization import Dropout, GaussianNoise, SpatialDropout2D
from epochal.layers.reshaping import (
    Flatten,
    Permute,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from epochal.layers.sequences import RepeatVector, TimeDistributed

__all__ = [
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "Convolution1D",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "SeparableConvolution2D",
]

AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
Convolution2DTranspose, SeparableConvolution2D = Conv2DTranspose, SeparableConv2D

for _layer, _aliases in (
    (Activation, ()),
    (AveragePooling1D, ("AvgPool1D",)),
    (AveragePooling2D, ("AvgPool2D",)),
    (AveragePooling3D, ("AvgPool3D",)),
    (BatchNormalization, ()),
    (Bidirectional, ()),
    (Conv1D, ("Convolution1D",)),
    (Conv2D, ("Convolution2D",)),
    (Conv2DTranspose, ("Convolution2DTranspose",)),
    (Conv3D, ("Convolution3D",)),
    (Dense, ()),
    (DepthwiseConv2D, ()),
    (Dropout, ()),
    (ELU, ()),
    (Embedding, ()),
    (Flatten, ()),
    (GRU, ()),
    (GaussianNoise, ()),
    (GlobalAveragePooling1D, ("GlobalAvgPool1D",)),
    (GlobalAveragePooling2D, ("GlobalAvgPool2D",)),
    (GlobalMaxPooling1D, ("GlobalMaxPool1D",)),
    (GlobalMaxPooling2D, ("GlobalMaxPool2D",)),
    (GroupNormalization, ()),
    (InputLayer, ()),
    (LSTM, ()),
    (Lambda, ()),
    (LayerNormalization, ()),
    (LeakyReLU, ()),
    (MaxPooling1D, ("MaxPool1D",)),
    (MaxPooling2D, ("MaxPool2D",)),
    (MaxPooling3D, ("MaxPool3D",)),
    (MultiHeadAttention, ()),
    (PReLU, ()),
    (Permute, ()),
    (ReLU, ()),
    (RepeatVector, ()),
    (Rescaling, ()),
    (Reshape, ()),
    (SeparableConv2D, ("SeparableConvolution2D",)),
    (Softmax, ()),
    (SpatialDropout2D, ()),
    (TimeDistributed, ()),
    (UpSampling2D, ()),
    (ZeroPadding2D, ()),
    (Add, ()),
    (Average, ()),
    (Concatenate, ()),
    (Dot, ()),
    (Maximum, ()),
    (Minimum, ()),
    (Multiply, ()),
    (Subtract, ()),
):
    register(_layer, *_aliases)

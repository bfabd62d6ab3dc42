"""The trainings with Keras, on the backend that KERAS_BACKEND names."""

import keras
from keras_like import KerasLike
from workloads import Workload

__all__ = ["with_keras"]


def with_keras(workload: Workload) -> KerasLike:
    """Return the training; its precision is Keras' global policy while layers are made."""
    keras.config.set_dtype_policy(
        "float32" if workload.precision == "float32" else "mixed_bfloat16"
    )
    try:
        return KerasLike(keras, workload)
    finally:
        keras.config.set_dtype_policy("float32")

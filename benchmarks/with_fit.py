"""The benchmarks' trainings with epochal's own `compile` and `fit`."""

from keras_like import KerasLike
from workloads import Workload

import epochal

__all__ = ["with_fit"]


def with_fit(workload: Workload, jit: bool = False) -> KerasLike:
    """Return a training of ours."""
    half = None if workload.precision == "float32" else "bfloat16"
    options = {"mixed_precision": half, **({"jit_compile": True} if jit else {})}
    return KerasLike(epochal, workload, **options)

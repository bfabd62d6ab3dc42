"""The benchmarks' trainings with epochal's own `compile` and `fit`."""

from keras_like import KerasLike
from nets import build
from workloads import Workload

import epochal

__all__ = ["with_fit", "with_jit"]


def with_fit(workload: Workload, jit: bool = False) -> KerasLike:
    """Return a training of ours."""
    half = None if workload.precision == "float32" else "bfloat16"
    options = {"mixed_precision": half, **({"jit_compile": True} if jit else {})}
    # torch has an encoder of its own, and any module can be trained.
    model = epochal.Model(build(workload)) if workload.net == "transformer" else None
    return KerasLike(epochal, workload, model, **options)


def with_jit(workload: Workload) -> KerasLike:
    """Return a training of ours whose step is compiled, as that of Keras is on jax."""
    return with_fit(workload, jit=True)

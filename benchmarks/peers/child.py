"""The process of one library: makes and runs trainings as it is asked to, one line at a time.

python -m peers.child WAY [--core N]

Requests and answers are JSON, an answer behind a mark: libraries print what they like.
"""

import argparse
import importlib
import json
import os
import sys
import time
from typing import Any

__all__ = ["MARK", "WAYS", "Work"]

MARK = "@@answer "

# Where each way is: a module and a name in it. A library is imported in its own process alone.
WAYS = {
    "loop by hand": ("by_hand", "ByHand"),
    "epochal": ("with_fit", "with_fit"),
    "epochal, jit_compile": ("with_fit", "with_jit"),
    "DataLoader loop": ("by_hand", "ByLoader"),
    "Keras, jax": ("peers.with_keras", "with_keras"),
    "Keras, torch": ("peers.with_keras", "with_keras"),
    "Keras, tensorflow": ("peers.with_keras", "with_keras"),
    "Lightning": ("peers.with_lightning", "WithLightning"),
    "skorch": ("peers.with_skorch", "WithSkorch"),
    "Ignite": ("peers.with_ignite", "WithIgnite"),
    "Accelerate": ("peers.with_huggingface", "WithAccelerate"),
    "Transformers Trainer": ("peers.with_huggingface", "WithTrainer"),
}


class Work:
    """What one process is asked: check a workload, make it ready, time a round of it."""

    def __init__(self, way: str) -> None:
        module, name = WAYS[way]
        self.make = getattr(importlib.import_module(module), name)
        self.training: Any = None
        self.epochs = 1

    def check(self, name: str, size: int, epochs: int) -> dict[str, Any]:
        """Return the mean loss of a small training whose order and net leave nothing to chance."""
        import workloads

        workload = workloads.make(name, size, dropout=False)
        losses = self.make(workload).run(epochs, shuffle=False)
        return {"loss": sum(losses) / len(losses)}

    def prepare(self, name: str, size: int | None) -> dict[str, Any]:
        """Make a training and run it once: compiling and first allocations are not timed."""
        import workloads

        workload = workloads.make(name, size)
        self.training, self.epochs = self.make(workload), workload.epochs
        self.training.run(self.epochs)
        return {}

    def round(self) -> dict[str, Any]:
        """Train on and return the seconds it took, on the clock and on the processor."""
        began = time.perf_counter(), time.process_time()
        self.training.run(self.epochs)
        clock, processor = time.perf_counter() - began[0], time.process_time() - began[1]
        return {"seconds": clock, "processor": processor}

    def drop(self) -> dict[str, Any]:
        """Let go of the training."""
        self.training = None
        return {}


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--core", type=int, help="run on this core alone")
    arguments = parser.parse_args()
    if arguments.core is not None:
        # Before the library is imported: it looks at how many cores there are.
        os.sched_setaffinity(0, {arguments.core})
    work: Work | None = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        try:
            if work is None:
                work = Work(arguments.way)
            answer = getattr(work, do)(**request)
        except NotImplementedError as error:
            answer = {"missing": str(error)}
        except Exception as error:  # a library that fails is a row of the report
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(MARK + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

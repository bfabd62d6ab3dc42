"""What importing costs, and how long a first `fit` takes to its first step.

Each time comes from a process of its own, asked in turn with the others. Beside the time on the
clock stands the processor's: importing waits for nothing, so on a busy machine that is the better
number. And beside that, what of it Python's garbage collector took: once in so many new objects it
looks at all there are, torch's 165,000 included, and whoever makes the last of them pays.
"""

import argparse
import os
import statistics
import subprocess
import sys

from rounds import show

# What is not timed; what is timed; what is checked afterwards.
_NET = """
import torch
from torch import nn
torch.set_num_threads(1)
x, y = torch.randn(3200, 32), torch.rand(3200, 1).round()
net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid())
"""

_FIRST_STEP = """
optimizer = torch.optim.Adam(net.parameters(), fused=True)
order = torch.randperm(len(x))
loss = nn.functional.binary_cross_entropy(net(x[order][:32]), y[order][:32])
loss.backward()
optimizer.step()
"""

_FIRST_FIT = """
model = epochal.Model(net)
model.compile("adam", "binary_crossentropy")
model.fit(x[:32], y[:32], verbose=0)
"""

_EVERYTHING = """
import epochal
for name in epochal.__all__:
    public = getattr(epochal, name)
    for inner in getattr(public, "__all__", ()):
        getattr(public, inner)
"""

_USUAL = """
from epochal import Model
from epochal.callbacks import EarlyStopping, ModelCheckpoint
"""

PARTS = {
    "import epochal, without torch": (
        "",
        "import epochal",
        "import sys; assert 'torch' not in sys.modules",
    ),
    "import torch": ("", "import torch", ""),
    "every public name, beyond torch": ("import torch", _EVERYTHING, ""),
    "Model and two callbacks, beyond torch": ("import torch", _USUAL, ""),
    "first step by hand, with its optimizer": (_NET, _FIRST_STEP, ""),
    "every public name and a fit of one step": (_NET, _EVERYTHING + _FIRST_FIT, ""),
    "compile and a fit of one step": ("import epochal; epochal.Model\n" + _NET, _FIRST_FIT, ""),
}


_COLLECTOR = """
import gc, time
collected = []
gc.callbacks.append(lambda phase, _: collected.append((phase == "stop") * 2 - 1))
gc.callbacks.append(lambda phase, _: collected.append(time.process_time()))
"""


def milliseconds(before: str, timed: str, after: str) -> tuple[float, float, float]:
    """Run code in a new process; return the middle's clock, processor, and collector's time."""
    code = "\n".join(
        [
            _COLLECTOR,
            before,
            "collected.clear()",
            "began = time.perf_counter(), time.process_time()",
            timed,
            "ended = time.perf_counter(), time.process_time()",
            "collector = sum(s * t for s, t in zip(collected[::2], collected[1::2]))",
            after,
            "print(ended[0] - began[0], ended[1] - began[1], collector)",
        ]
    )
    # An installed package has its bytecode; a checkout gets it in the round that is not counted.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    clock, processor, collector = (float(part) * 1e3 for part in done.stdout.split()[-3:])
    return clock, processor, collector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    took: dict[str, list[tuple[float, float, float]]] = {name: [] for name in PARTS}
    for _ in range(rounds + 1):
        for name, parts in PARTS.items():
            took[name].append(milliseconds(*parts))
    rows = []
    for name, every in took.items():
        clock, processor, collector = zip(*every[1:], strict=True)
        low, median, high = statistics.quantiles(clock, n=4)
        rows.append(
            (
                name,
                f"{median:.1f}",
                f"{low:.1f}-{high:.1f}",
                f"{min(clock):.1f}",
                f"{statistics.median(processor):.1f}",
                f"{statistics.median(collector):.1f}",
            )
        )
    headings = ("", "ms", "quartiles", "best", "processor ms", "of it collector")
    show(f"Start-up ({rounds} rounds)", headings, rows)


if __name__ == "__main__":
    main()

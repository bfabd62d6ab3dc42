"""Saving and loading weights against safetensors' own functions: time and peak memory.

Ours writes aside, flushes and renames; so the other side is `save_file` and an fsync. Times of a
disk vary more than anything else here: look at the ratios' quartiles.

Our loader checks the SHA-256 of all weights that our own files hold, and theirs checks nothing. So
there is a load of their file, which holds none, by ours; and a load by theirs after a hash.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rounds import compare, show

WAYS = (
    "safetensors save",
    "epochal save",
    "epochal, .epochal, save",
    "safetensors load",
    "epochal, a file without hashes, load",
    "safetensors after a SHA-256, load",
    "epochal load",
    "epochal, .epochal, load",
    "epochal, .epochal, load_model, load",
)


def model_of(megabytes: int) -> Any:
    """Return a model of about so many megabytes in eight equal layers."""
    import torch
    from torch import nn

    import epochal

    side = int((megabytes * 1e6 / 4 / 8) ** 0.5)
    with torch.no_grad():
        return epochal.Model(nn.Sequential(*(nn.Linear(side, side) for _ in range(8))))


def works(model: Any, folder: Path) -> dict[str, Any]:
    """Return what is timed, by name."""
    from safetensors.torch import load_file, save_file

    from epochal.models import load_model

    theirs, ours = folder / "theirs.safetensors", folder / "ours.safetensors"
    whole = folder / "whole.epochal"

    def save() -> None:
        save_file(model.state_dict(), theirs)
        with theirs.open("rb") as file:
            os.fsync(file.fileno())

    def load() -> None:
        model.load_state_dict(load_file(theirs))

    def checked() -> None:
        with theirs.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        load()

    works = (
        save,
        lambda: model.save_weights(ours),
        lambda: model.save(whole),
        load,
        lambda: model.load_weights(theirs),
        checked,
        lambda: model.load_weights(ours),
        lambda: model.load_weights(whole),
        lambda: load_model(whole),
    )
    return dict(zip(WAYS, works, strict=True))


def peak_of(way: str, megabytes: int, folder: Path) -> None:
    """Be the process that measures one way's peak: print the bytes beyond what was there."""
    from memory import resident

    model = model_of(megabytes)
    work = works(model, folder)[way]
    if "save" in way:
        # The first save imports what saving needs; a small one takes no memory to speak of.
        works(model_of(1), folder)[way]()
    base = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    work()
    print(resident("VmHWM") - base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one without it")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        peak_of(arguments.way, arguments.megabytes, arguments.folder)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        model = model_of(arguments.megabytes)
        ways = works(model, folder)
        size = sum(p.numel() * 4 for p in model.parameters()) / 1e6
        largest = max(p.numel() * 4 for p in model.parameters()) / 1e6
        for kind in ("save", "load"):
            compare(
                f"{kind} of {size:.0f} MB",
                "MB",
                round(size),
                {way: work for way, work in ways.items() if way.endswith(kind)},
                arguments.rounds,
            )
        rows = []
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--folder", name]
            command += ["--megabytes", str(arguments.megabytes)]
            peaks = []
            for _ in range(3):
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peaks.append(int(done.stdout.split()[-1]) / 1e6)
            rows.append((way, f"{statistics.median(peaks):.0f}"))
        title = f"Peak memory beyond the model (largest tensor {largest:.0f} MB)"
        show(title, ("", "MB"), rows)


if __name__ == "__main__":
    main()

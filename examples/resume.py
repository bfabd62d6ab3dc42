"""Kill this script at any moment, start it again, and it ends as if nothing had happened.

    python examples/resume.py runs/resume

The last line it prints is the same after any number of deaths.
"""

import hashlib
import sys
from pathlib import Path

import torch
from torch import nn

import epochal
from epochal.callbacks import BackupAndRestore, CSVLogger, ModelCheckpoint


def main(folder: Path) -> None:
    """Train in a folder, from where the last start of this script came to."""
    folder.mkdir(parents=True, exist_ok=True)
    epochal.utils.set_random_seed(1)
    x = torch.rand(4096, 2) * 6 - 3
    y = (x[:, :1].sin() * x[:, 1:].cos() > 0).float()

    model = epochal.Model(
        nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1), nn.Sigmoid())
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(
        x,
        y,
        epochs=8,
        validation_split=0.25,
        verbose=0,
        callbacks=[
            CSVLogger(folder / "log.csv"),
            ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
            BackupAndRestore(folder / "run", save_freq=20, delete_checkpoint=False),
        ],
    )
    digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
    print(f"{len((folder / 'log.csv').read_text().splitlines()) - 1} epochs, weights {digest[:16]}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/resume"))

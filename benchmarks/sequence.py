"""Sequences: Embedding-LSTM(128)-Dense at batch 64 and length 100, and a transformer encoder."""

import argparse
import copy
from dataclasses import replace

import torch
from by_hand import ByHand
from rounds import compare, same
from torch import Tensor, nn
from with_fit import with_fit
from workloads import VOCABULARY, Workload, make

import epochal


class Encoder(nn.Module):
    """Four layers of torch's own transformer encoder, and a score from their mean."""

    def __init__(self, width: int = 128, layers: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.score = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.score(self.encoder(self.embedding(x)).mean(1)))


class WrappedEncoder:
    """`fit` on a module of the user's own."""

    def __init__(self, workload: Workload, net: nn.Module) -> None:
        self.workload = workload
        self.model = epochal.Model(net)
        self.model.compile("adam", "binary_crossentropy")

    def run(self, epochs: int, shuffle: bool = True) -> list[float]:
        """Train on and return the mean loss of each epoch."""
        given = self.workload
        history = self.model.fit(
            given.x, given.y, batch_size=given.batch, epochs=epochs, shuffle=shuffle, verbose=0
        )
        losses: list[float] = history.history["loss"]
        return losses


def encoders(rows: int, dropout: float, width: int = 128) -> tuple[ByHand, WrappedEncoder]:
    """Return both ways with equal nets."""
    workload = replace(make("lstm", rows), batch=32)
    net = Encoder(width, dropout=dropout)
    return ByHand(workload, copy.deepcopy(net)), WrappedEncoder(workload, net)


def check(rows: int = 128) -> None:
    """Stop unless both ways compute the same; without dropout, whose draws differ."""
    workload = make("lstm", rows)
    hand, fit = ByHand(workload), with_fit(workload)
    same("LSTM", fit.run(1, shuffle=False)[0], hand.run(1, shuffle=False)[0])
    loop, model = encoders(rows, dropout=0.0, width=32)
    same("transformer", model.run(1, shuffle=False)[0], loop.run(1, shuffle=False)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    check()
    workload = make("lstm", arguments.rows)
    hand, fit = ByHand(workload), with_fit(workload)
    compare(
        "Embedding-LSTM(128)-Dense, batch 64, length 100",
        "step",
        workload.units,
        {"loop by hand": lambda: hand.run(1), "fit": lambda: fit.run(1)},
        arguments.rounds,
    )
    loop, model = encoders(arguments.rows // 4, dropout=0.1)
    compare(
        "Transformer encoder, 4 layers of 128, batch 32, length 100",
        "step",
        loop.workload.units,
        {"loop by hand": lambda: loop.run(1), "fit": lambda: model.run(1)},
        arguments.rounds,
    )


if __name__ == "__main__":
    main()

"""The smallest real run: 80 rows, 3 steps an epoch, validation after each.

Nearly all of its time is what surrounds the arithmetic, so nothing hides what a loop costs.
"""

import math

import torch
from rounds import compare
from sklearn.datasets import make_moons
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

import epochal
from epochal.layers import Dense

EPOCHS = 200
BATCH = 32

points, moons = make_moons(n_samples=100, noise=0.2, random_state=1)
X = torch.tensor(points, dtype=torch.float32)
Y = torch.tensor(moons, dtype=torch.float32).reshape(-1, 1)
TRAIN = (X[:80], Y[:80])
HELD_OUT = (X[80:], Y[80:])


def with_fit(epochs: int = EPOCHS, shuffle: bool = True) -> list[float]:
    model = epochal.Sequential(
        [Dense(100, activation="relu", input_dim=2), Dense(1, activation="sigmoid")]
    )
    load(model)
    model.compile("adam", "binary_crossentropy")
    history = model.fit(*TRAIN, validation_data=HELD_OUT, epochs=epochs, shuffle=shuffle, verbose=0)
    losses: list[float] = history.history["val_loss"]
    return losses


def by_hand(epochs: int = EPOCHS, shuffle: bool = True) -> list[float]:
    """The loop one writes for exactly this: tensors, a permutation, fused Adam, no DataLoader."""
    net = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 1), nn.Sigmoid())
    load(net)
    optimizer = torch.optim.Adam(net.parameters(), eps=1e-7, fused=True)
    x, y = TRAIN
    losses, val_losses = [], []
    for _ in range(epochs):
        net.train()
        order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
        total = torch.zeros(())
        # One gather an epoch; batches are then views, which beats indexing batch by batch.
        for rows, wanted in zip(x[order].split(BATCH), y[order].split(BATCH), strict=True):
            loss = binary_cross_entropy(net(rows), wanted)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.detach() * len(rows)
        losses.append(total.item() / len(x))
        net.eval()
        with torch.no_grad():
            val_losses.append(binary_cross_entropy(net(HELD_OUT[0]), HELD_OUT[1]).item())
    return val_losses


def load(module: nn.Module) -> None:
    """Give a net the same first weights as every other."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            values: Tensor = torch.randn(parameter.shape, generator=generator) * 0.3
            parameter.copy_(values)


if __name__ == "__main__":
    torch.set_num_threads(1)
    ours, theirs = with_fit(20, shuffle=False)[-1], by_hand(20, shuffle=False)[-1]
    if not math.isclose(ours, theirs, rel_tol=1e-4):
        raise SystemExit(f"not the same arithmetic: val_loss {ours} and {theirs}")
    compare(
        "Moons: 2-100-1, 3 steps and a validation",
        "epoch",
        EPOCHS,
        {"loop by hand": by_hand, "fit": with_fit},
        rounds=15,
    )

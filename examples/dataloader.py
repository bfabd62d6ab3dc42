"""What a PyTorch user has already: a module, a DataLoader, a `torch.optim` optimizer, a scheduler.

    python examples/dataloader.py [EPOCHS]

None of them has to be rewritten; `epochal.Model(module)` takes the place of the loop.
"""

import sys
from functools import partial

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

import epochal
from epochal.datasets import digits
from epochal.optimizers import TorchOptimizer

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10

epochal.utils.set_random_seed(0)
train, test = (
    TensorDataset(torch.from_numpy(x[:, None] / 16).float(), torch.from_numpy(y).long())
    for x, y in digits.load_data()
)
# A DataLoader keeps its own order and batch size: `fit` neither shuffles nor cuts it again.
train_batches = DataLoader(train, batch_size=64, shuffle=True)
test_batches = DataLoader(test, batch_size=256)

net = nn.Sequential(  # (N, 1, 8, 8): torch's own layers keep torch's channels-first pictures
    nn.Conv2d(1, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 4 * 4, 10),
)

model = epochal.Model(net)
model.compile(
    # The scheduler steps after every batch, as one writes it in a loop; `by="epoch"` for others.
    optimizer=TorchOptimizer(
        partial(torch.optim.AdamW, weight_decay=0.01),
        lr_scheduler=partial(
            OneCycleLR, max_lr=0.01, epochs=epochs, steps_per_epoch=len(train_batches)
        ),
        by="batch",
    ),
    loss=nn.CrossEntropyLoss(),  # on logits: the net ends without a softmax
    metrics=["accuracy"],
)
model.fit(train_batches, validation_data=test_batches, epochs=epochs)

# The module was trained in place, and its state has its own names: nothing to unwrap.
print(f"weights of the net: {', '.join(net.state_dict())}")
print(f"accuracy on {len(test)} pictures: {model.evaluate(test_batches, verbose=0)[1]:.3f}")

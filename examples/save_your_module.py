"""A whole model around a module of one's own: saved, loaded, trained on as if nothing had been.

python examples/save_your_module.py [FILE]
"""

import sys

import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn

import epochal
from epochal.models import load_model

path = sys.argv[1] if len(sys.argv) > 1 else "moons.epochal"


# The name is what files call the class. Whoever loads one has to have run this line, too: no file
# can bring code, and none is imported because a file names it.
@epochal.register("examples.Moons")
class Moons(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.layers(x))


epochal.utils.set_random_seed(0)
x, y = make_moons(n_samples=128, noise=0.2, random_state=1)

model = epochal.Model(Moons(width=32))
model.compile("adam", "binary_crossentropy", metrics=["acc"])
model.fit(x, y, epochs=10, shuffle=False, verbose=0)
model.save(path)

loaded = load_model(path)
module = loaded.network
steps = loaded.optimizer.iterations
print(f"loaded {type(module).__name__}(width={module.width}) after {steps} steps")

for each in (model, loaded):  # the optimizer's state was in the file
    each.fit(x, y, epochs=5, shuffle=False, verbose=0)
pairs = zip(model.parameters(), loaded.parameters(), strict=True)
print(f"the same as never interrupted: {all(torch.equal(a, b) for a, b in pairs)}")

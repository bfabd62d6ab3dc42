"""A training step of one's own inside of `fit`: a small GAN that learns to draw a ring.

    python examples/custom_loop_model.py [EPOCHS]

Two nets, two losses and two optimizers do not fit into `compile(optimizer, loss)`. Writing
`train_step` replaces what happens to one batch; batches, callbacks, logs and history stay.
"""

import sys

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import epochal

NOISE = 4

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 150


def net(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)
    )


class RingGAN(epochal.Model):
    def __init__(self) -> None:
        super().__init__()
        self.generator = net(NOISE, 2)
        self.critic = net(2, 1)
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=5e-4, betas=(0.5, 0.999)
        )
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=5e-4, betas=(0.5, 0.999)
        )

    def forward(self, noise: Tensor) -> Tensor:
        drawn: Tensor = self.generator(noise)
        return drawn

    def train_step(self, data: tuple[Tensor, ...]) -> dict[str, Tensor]:
        (real,) = data  # `fit(x)` without targets gives `(x,)`, on the model's device
        drawn = self(torch.randn(len(real), NOISE))

        # Detached: this step teaches the critic alone.
        points = torch.cat([real, drawn.detach()])
        is_real = torch.cat([torch.ones(len(real), 1), torch.zeros(len(real), 1)])
        critic_loss = binary_cross_entropy_with_logits(self.critic(points), is_real)
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()

        generator_loss = binary_cross_entropy_with_logits(
            self.critic(drawn), torch.ones(len(real), 1)
        )
        self.generator_optimizer.zero_grad()
        generator_loss.backward()
        self.generator_optimizer.step()

        # Tensors, not `.item()`: the logs wait for the device only when somebody reads them.
        radius = drawn.detach().norm(dim=1).mean()
        return {"critic": critic_loss, "generator": generator_loss, "radius": radius}


epochal.utils.set_random_seed(0)
angle = 2 * torch.pi * torch.rand(2000)
ring = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(2000, 2)

model = RingGAN()
model.compile(optimizer=None)
model.fit(ring, batch_size=100, epochs=epochs, verbose=2)

radius = torch.from_numpy(model.predict(torch.randn(1000, NOISE), verbose=0)).norm(dim=1)
print(f"drawn points lie {radius.mean():.2f} +- {radius.std():.2f} from the centre; real ones 1.00")

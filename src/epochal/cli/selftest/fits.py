"""The trainings that all proofs are made of: everything that a `fit` remembers, in small."""

import functools

from torch.optim.lr_scheduler import OneCycleLR

from epochal import callbacks as use
from epochal import optimizers
from epochal.cli.selftest.fit_scenario import BATCHES, FitScenario

__all__ = ["FITS"]


def _averages() -> list[use.Callback]:
    return [use.SwapEMAWeights(swap_on_epoch=True)]


def _patience() -> list[use.Callback]:
    plateau = use.ReduceLROnPlateau(patience=1, factor=0.5)
    return [plateau, use.EarlyStopping(patience=2, restore_best_weights=True)]


def _by_torch() -> list[use.Callback]:
    cycle = functools.partial(OneCycleLR, max_lr=0.1, total_steps=3 * BATCHES + 1)
    return [use.LearningRateScheduler(cycle, by="batch")]


def _warm_up() -> optimizers.Optimizer:
    cosine = optimizers.schedules.CosineDecay(
        0.01, decay_steps=8, warmup_target=0.1, warmup_steps=4
    )
    return optimizers.SGD(cosine, momentum=0.9)


FITS: tuple[FitScenario, ...] = (
    FitScenario("by epoch"),
    FitScenario("every batch", data="dataset", save_freq=1),
    FitScenario(
        "accumulating",
        optimizer=lambda: optimizers.Adam(0.05, gradient_accumulation_steps=3),
        save_freq=1,
    ),
    FitScenario("float16", precision="float16", save_freq=2),
    FitScenario(
        "averages",
        optimizer=lambda: optimizers.SGD(
            0.05, momentum=0.9, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=5
        ),
        more=_averages,
        save_freq=3,
    ),
    FitScenario("plateau", more=_patience, epochs=5),
    FitScenario("schedule", optimizer=_warm_up, save_freq=3),
    FitScenario("in a thread", data="loader", asynchronous=True, save_freq=1),
    FitScenario("stream", data="stream", save_freq=3),
    FitScenario("fixed steps", data="fixed", save_freq=2),
    FitScenario("own metric", own_metric=True, data="loader", save_freq=2),
    FitScenario("scheduler of torch", more=_by_torch, save_freq=3),
    # Killed after its end it is trained anew, and its events come beside those of the first run.
    FitScenario("deleted at the end", delete=True, events=False, save_freq=2),
    FitScenario(
        "averages and partial gradients",
        optimizer=lambda: optimizers.Adam(0.05, use_ema=True, gradient_accumulation_steps=4),
        save_freq=1,
    ),
    FitScenario("rotating", rotating=True, epochs=4),
    FitScenario("workers", data="workers", save_freq=3, epochs=2),
)

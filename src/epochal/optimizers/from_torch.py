"""Any optimizer of torch, with what epochal's own can do around its updates."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, Unpack

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from epochal.core.errors import Problems, UsageError, UsageTypeError
from epochal.optimizers.base import Optimizer
from epochal.optimizers.keywords import OptimizerKeywords
from epochal.optimizers.rates import Rate, Rates
from epochal.optimizers.schedules.from_torch import (
    By,
    SchedulerFactory,
    check_by,
    group_numbers,
    load_group_numbers,
)

__all__ = ["OptimizerFactory", "TorchOptimizer"]

OptimizerFactory: TypeAlias = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
"""What makes a torch optimizer from weights: a class, a partial, a function."""


class TorchOptimizer(Optimizer):
    """An optimizer of torch: a class, a function that makes one, or one that is made already.

    `compile(optimizer=torch.optim.ASGD)` makes one of it; write it out to add a scheduler,
    clipping, accumulation or averages.

    Args:
        optimizer: A `torch.optim` class, a function `weights -> optimizer`, or an optimizer that
            holds the model's weights.
        lr_scheduler: A scheduler of that optimizer, or a function `optimizer -> scheduler`.
        by: Whether the scheduler steps after every `"batch"` (every update, where gradients are
            accumulated) or every `"epoch"`.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageTypeError: If `optimizer` is nothing of the kind, or one whose step needs a closure.

    Example:
        >>> from functools import partial
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = TorchOptimizer(partial(torch.optim.ASGD, lr=0.1), clipvalue=0.5)
        >>> optimizer.build(layer.named_parameters())
        >>> optimizer.learning_rate
        0.1
    """

    _state_like_weights: ClassVar[bool] = False

    def __init__(
        self,
        optimizer: torch.optim.Optimizer | OptimizerFactory,
        lr_scheduler: LRScheduler | SchedulerFactory | None = None,
        by: By = "batch",
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        check_by(by)
        if isinstance(optimizer, Optimizer) or not (
            isinstance(optimizer, torch.optim.Optimizer) or callable(optimizer)
        ):
            raise UsageTypeError(
                f"TorchOptimizer: optimizer is {optimizer!r}; give a torch.optim class, an "
                "optimizer of torch, or a function that makes one from a list of weights"
            )
        usable = lr_scheduler is None or isinstance(lr_scheduler, LRScheduler)
        if not usable and not callable(lr_scheduler):
            raise UsageTypeError(
                f"TorchOptimizer: lr_scheduler is {lr_scheduler!r}; give a scheduler of the "
                "optimizer, or a function that makes one from it"
            )
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.by: By = by
        super().__init__(None, **common)
        if isinstance(optimizer, torch.optim.Optimizer):
            self._rates.watch(optimizer)

    def _make_rates(self, learning_rate: Rate | None) -> Rates:
        scheduler = None if self.lr_scheduler is None else (self.lr_scheduler, self.by)
        return Rates(learning_rate, scheduler)

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        if isinstance(self.optimizer, torch.optim.Optimizer):
            return self.optimizer
        made = self.optimizer(list(parameters))
        if not isinstance(made, torch.optim.Optimizer):
            raise UsageTypeError(
                f"the optimizer's factory returned {made!r}; return an optimizer of torch.optim"
            )
        return made

    def build(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        after_update: Callable[[], None] | None = None,
    ) -> None:
        """Take charge of a model's weights; see `Optimizer.build`.

        Raises:
            UsageError: If the torch optimizer does not hold exactly the trainable weights.
            UsageTypeError: If it is not an optimizer, or needs a closure.
        """
        named = dict(named_parameters)
        super().build(named.items(), after_update)
        try:
            self._check_weights(named)
        except UsageError:
            self.built = False
            raise

    def _check_weights(self, named: Mapping[str, nn.Parameter]) -> None:
        problems = Problems(type(self._torch).__name__)
        if isinstance(self._torch, torch.optim.LBFGS):
            problems.add(
                "its step calls the model several times through a closure, which fit cannot give; "
                "use Adam or SGD, or a training loop of your own",
                of_type=True,
            )
        groups = self._torch.param_groups
        held = {id(weight): weight for group in groups for weight in group["params"]}
        missing = [n for n, p in named.items() if p.requires_grad and id(p) not in held]
        if missing:
            problems.add(
                f"it does not hold the model's trainable weights {', '.join(missing)}; make it "
                "from model.parameters(), or freeze those weights (requires_grad=False)"
            )
        known = {id(parameter) for parameter in named.values()}
        foreign = [tuple(weight.shape) for i, weight in held.items() if i not in known]
        if foreign:
            problems.add(
                f"it holds {len(foreign)} weights that are not the model's, of shapes "
                f"{', '.join(map(str, foreign[:5]))}; make it from this model's parameters()"
            )
        problems.raise_if_any()

    def state_dict(self) -> dict[str, Any]:
        """Return everything another process needs to go on; see `Optimizer.state_dict`."""
        return super().state_dict() | group_numbers(self.torch_optimizer)

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned; see `Optimizer.load_state_dict`."""
        super().load_state_dict(saved)
        load_group_numbers(self.torch_optimizer, saved)

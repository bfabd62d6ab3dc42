"""What an optimizer is: torch's algorithm, with what Keras does around every update."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Never, Self

import torch
from torch import Tensor, nn

from epochal.core.errors import Problems, UsageError
from epochal.optimizers import schedules, state
from epochal.optimizers.direct import DirectUpdate, direct_update
from epochal.optimizers.extras import Extras
from epochal.optimizers.keywords import (
    OptimizerKeywords,
    check_keywords,
    reject_unknown_keywords,
)
from epochal.optimizers.learning_rate import LearningRate
from epochal.optimizers.rates import Rate, Rates
from epochal.optimizers.taking import TakesGradients

__all__ = ["Optimizer"]


class Optimizer(TakesGradients):
    """Base of every optimizer; subclass it and write `_make` to wrap another torch algorithm.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        weight_decay: Shrink every weight by `weight_decay * learning_rate` of itself at each
            update, apart from the gradient ("decoupled").
        clipnorm: Shorten each weight's gradient to this norm.
        clipvalue: Bring each entry of the gradients into `[-clipvalue, clipvalue]`.
        global_clipnorm: Shorten all gradients together to this norm.
        use_ema: Whether to keep an exponential moving average of the weights, which takes their
            place at the end of `fit`.
        ema_momentum: How much of the old average each update keeps, from 0 to 1.
        ema_overwrite_frequency: Put the average in the weights' place every so many updates.
        loss_scale_factor: Multiply the loss and divide the gradients by it, for half precision.
        gradient_accumulation_steps: Update once in so many batches, by their mean gradient.
        name: What the optimizer is called; the class name in lower case when None.

    Raises:
        UsageError: If an argument is out of range, or more than one way to clip is given.
        UsageTypeError: If an argument is unknown or of the wrong kind.

    Example:
        >>> class Averaged(Optimizer):
        ...     def _make(self, parameters):
        ...         return torch.optim.ASGD(parameters, lr=self.learning_rate)
        >>> layer = nn.Linear(2, 1)
        >>> optimizer = Averaged(0.1)
        >>> optimizer.build(layer.named_parameters())
        >>> layer(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
        >>> optimizer.iterations
        1
    """

    _kernel_decays: ClassVar[bool] = False
    """Whether `_make` gives `weight_decay` to a torch algorithm that decays weights decoupled."""

    _state_like_weights: ClassVar[bool] = True
    """Whether what torch remembers of a weight has its shape (or 1 in places)."""

    def __init__(
        self,
        learning_rate: Rate | None = 0.001,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown_keywords(type(self), Optimizer, unknown)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name = name or type(self).__name__.lower()
        check_keywords(self)
        self._rates = self._make_rates(learning_rate)
        self.built = False
        self.iterations = 0
        self._batches = 0
        self._plain = False
        self._named: dict[str, nn.Parameter] = {}
        self._parameters: list[nn.Parameter] = []
        self._extras: Extras | None = None
        self._scaler: torch.amp.GradScaler | None = None
        self.scales_by_itself = False
        """Whether the loss is scaled by a factor that follows how large gradients get."""

    def _make_rates(self, learning_rate: Rate | None) -> Rates:
        return Rates(learning_rate)

    @property
    def learning_rate(self) -> LearningRate:
        """The learning rate of the next update as a number; settable unless a schedule decides."""
        return LearningRate(self.present_rate, self._set_rate)

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        self._set_rate(value)

    @property
    def present_rate(self) -> float:
        """The learning rate of the next update, as a plain float."""
        return self._rates.current(self._batches)

    @property
    def lr(self) -> LearningRate:
        """The same as `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Rate) -> None:
        self._set_rate(value)

    @property
    def scheduled(self) -> bool:
        """Whether a schedule, or a scheduler of torch, changes the learning rate by itself."""
        return self._rates.scheduled

    def _set_rate(self, value: Rate) -> None:
        self._rates.set(value)
        self._plan()

    @property
    def torch_optimizer(self) -> torch.optim.Optimizer:
        """The torch optimizer that makes the updates.

        Raises:
            UsageError: If the optimizer is not built yet.
        """
        self._require_built()
        return self._torch

    def _require_built(self) -> Extras:
        if not self.built or self._extras is None:
            raise UsageError(
                f"{self.name} has no weights yet; model.fit gives it some, or by hand "
                "optimizer.build(module.named_parameters())"
            )
        return self._extras

    @abstractmethod
    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """Return torch's optimizer of `parameters`, with `self.learning_rate` as its rate."""
        raise NotImplementedError(f"{type(self).__name__} has no _make(self, parameters)")

    def build(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        after_update: Callable[[], None] | None = None,
    ) -> None:
        """Take charge of a model's weights; again for the same weights, only note `after_update`.

        Args:
            named_parameters: The weights by name, as `module.named_parameters()` yields them.
                Frozen ones may be among them: a weight without a gradient is passed over.
            after_update: Called after every update (weight constraints).

        Raises:
            UsageError: If there are no weights, or the optimizer already has others.
        """
        named = dict(named_parameters)
        if self.built:
            self._check_same(named)
        else:
            if not named:
                raise UsageError(f"{self.name}: the model has no weights to optimize")
            self._torch = self._make(list(named.values()))
            self._rates.bind(self._torch)
            self._parameters = list(named.values())
            decay = None if self._kernel_decays else self.weight_decay
            self._extras = Extras(self, decay, self._parameters)
            if self.scales_by_itself:
                self._scaler = torch.amp.GradScaler(self._parameters[0].device.type)
            self.built = True
        self._named = named
        self._seek_direct()
        if self._extras is not None:
            self._extras.after_update = after_update
        self._plan()

    def _seek_direct(self) -> None:
        self._direct: DirectUpdate | None = None
        self._seeks_direct = True

    def _check_same(self, named: Mapping[str, nn.Parameter]) -> None:
        held = {id(parameter) for parameter in self._parameters}
        if held != {id(parameter) for parameter in named.values()}:
            others = [name for name, parameter in named.items() if id(parameter) not in held]
            raise UsageError(
                f"{self.name} already optimizes {len(held)} other weights (new here: "
                f"{', '.join(others[:5]) or 'none, some are gone'}); give every model an optimizer "
                "of its own, and compile again once layers were added or removed"
            )

    def _plan(self) -> None:
        """Decide once whether updates need anything around them; most need nothing."""
        if self._extras is not None:
            self._plain = not (self._extras.needed or self.scheduled or self._scaler)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Return the loss to call `backward` on: multiplied by a factor if there is one.

        Args:
            loss: The loss of one batch.
        """
        if self._scaler is not None:
            scaled: Tensor = self._scaler.scale(loss)
            return scaled
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def scale_automatically(self) -> None:
        """Scale losses from now on by a factor that is halved where a gradient overflows.

        For float16, which holds nothing below 6e-8: the factor doubles after every 2000 updates
        without an overflow, and an update with one is left out. Does nothing beside a
        `loss_scale_factor`. Every update reads from the device whether there was an overflow.

        Source: Micikevicius et al., 2018, https://arxiv.org/abs/1710.03740.
        """
        self.scales_by_itself = self.loss_scale_factor is None

    def step(self) -> None:
        """Update the weights by one batch's gradients, which lie in `.grad`, and clear those.

        With gradient accumulation only every so many calls make an update. Nothing here waits
        for the device.

        Raises:
            UsageError: If the optimizer is not built.
        """
        if self._plain:
            self._update()
            self.count_update()
        else:
            self._step_with_extras(self._require_built())
        for parameter in self._parameters:
            parameter.grad = None

    @property
    def direct(self) -> DirectUpdate | None:
        """The kernel that makes updates with nothing around them; None where there is more."""
        return self._direct if self._plain else None

    def count_update(self) -> None:
        """Note an update that somebody else has made through `direct`."""
        self.iterations += 1
        self._batches += 1

    def _update(self) -> None:
        """Let torch make the update, with less ado where there is a way."""
        if self._direct is not None and self._direct():
            return
        self._complete_state()
        self._torch.step()
        if self._seeks_direct:  # only now does torch's optimizer have its state
            self._direct = direct_update(self._torch)
            self._seeks_direct = False

    def _complete_state(self) -> None:
        """Make what torch's step expects of weights that were thawed after the first update."""

    @torch.no_grad()
    def _step_with_extras(self, extras: Extras) -> None:
        batches, self._batches = self._batches, self._batches + 1
        if not extras.gather() or not self._unscaled():
            return
        extras.clip()
        self._rates.apply(batches)
        extras.decay(float(self._torch.param_groups[0]["lr"]))
        if self._scaler is None:
            self._update()
        else:
            self._complete_state()
            self._scaler.step(self._torch)
            self._scaler.update()
        self.iterations += 1
        self._rates.advance("batch")
        extras.finish(self.iterations)

    def _unscaled(self) -> bool:
        """Divide gradients by the scale of the loss; False where one has overflowed."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if self._scaler is None or not gradients:
            return True
        self._scaler.unscale_(self._torch)
        if bool(torch.stack(torch._foreach_norm(gradients, torch.inf)).isfinite().all()):
            return True
        self._scaler.step(self._torch)  # which leaves the weights alone
        self._scaler.update()
        return False

    def end_epoch(self) -> None:
        """Note that an epoch is over: schedulers of torch given with `by="epoch"` move on."""
        self._rates.advance("epoch")

    @torch.no_grad()
    def swap_average(self) -> None:
        """Exchange weights and their moving averages in place; call it again to change back.

        Raises:
            UsageError: If the optimizer was made without `use_ema=True`.
        """
        if not self.use_ema:
            raise UsageError(f"{self.name} keeps no averages; make it with use_ema=True")
        if self._extras is not None and self._extras.averages is not None:
            self._extras.averages.swap()

    @torch.no_grad()
    def finalize_weights(self) -> None:
        """Put the moving averages in the weights' place, as `fit` does at its end.

        Does nothing without `use_ema`, or while weights and averages are swapped.
        """
        averages = None if self._extras is None else self._extras.averages
        if averages is not None and not averages.swapped:
            averages.write()

    def state_dict(self) -> dict[str, Any]:
        """Return everything another process needs to go on bit for bit.

        Returns:
            A flat dict of tensors (the live ones, not copies) named as `"exp_avg/dense.weight"`,
            and plain numbers.

        Raises:
            UsageError: If the optimizer is not built.
        """
        extras = self._require_built()
        saved: dict[str, Any] = {
            "version": state.VERSION,
            "algorithm": type(self._torch).__name__,
            "iterations": self.iterations,
            "batches": self._batches,
        }
        saved |= self._rates.state_dict()
        if self._scaler is not None:
            scale = self._scaler.state_dict()
            saved |= {"loss_scale": scale["scale"], "loss_scale_age": scale["_growth_tracker"]}
        saved |= state.tensors(self._torch, self._named)
        return saved | extras.state_dict(self._named)

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Args:
            saved: The state, of an optimizer of the same kind for weights of the same names.

        Raises:
            UsageError: If the optimizer is not built, or names or shapes differ; nothing is
                changed then, and every difference is listed.
        """
        extras = self._require_built()
        problems = Problems(f"{self.name}.load_state_dict")
        algorithm = type(self._torch).__name__
        state.check(saved, self._named, algorithm, self._state_like_weights, problems)
        problems.raise_if_any()
        state.load_tensors(self._torch, self._named, saved)
        self._seek_direct()
        self._rates.load_state_dict(saved)
        if self._scaler is not None and "loss_scale" in saved:
            scale = {"scale": saved["loss_scale"], "_growth_tracker": saved["loss_scale_age"]}
            self._scaler.load_state_dict({**self._scaler.state_dict(), **scale})
        self.iterations = int(saved["iterations"])
        self._batches = int(saved["batches"])
        extras.load_state_dict(self._named, saved)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON can hold them, the rate as it is now."""
        config = super().get_config() | {
            name: getattr(self, name) for name in sorted(OptimizerKeywords.__optional_keys__)
        }
        if "learning_rate" in config:
            config["learning_rate"] = self._rates.config()
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a new optimizer made from what `get_config` returned."""
        rate = config.get("learning_rate")
        made = {"learning_rate": schedules.deserialize(rate)} if isinstance(rate, Mapping) else {}
        return cls(**{**config, **made})

"""What `compile` settled, and the dry run added to it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from epochal.layers import Layer
from epochal.logs import LogNames, Scoreboard, Scored
from epochal.optimizers import Optimizer
from epochal.training.execution import Execution, casting
from epochal.training.graphs import GraphStep, is_safe
from epochal.training.jit import CompiledStep, Computed
from epochal.training.objective import Objective
from epochal.training.scores import MetricPlan
from epochal.training.turns import Turns

__all__ = ["Compiled", "Pass", "Passing"]

Passing = Literal["one", "positions", "names"]
"""How inputs reach `forward`: as one argument, or several by position or name."""


class Pass(NamedTuple):
    """What callbacks may ask of a pass over data."""

    seen: Callable[[], int]
    """Returns how many rows it has seen."""
    samples: int
    """How many it has; 0 if nobody knows."""


class Compiled:
    """A model with its optimizer, losses and metrics.

    Args:
        model: The model.
        optimizer: Updates its weights.
        objective: Its losses.
        metrics: Its metrics.
        own: Names of the steps that the model's class has written itself (`train_step`,
            `test_step`, `predict_step`, `compute_loss`).
        execution: How the steps are run.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Optimizer | None,
        objective: Objective,
        metrics: MetricPlan,
        own: frozenset[str],
        execution: Execution | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.objective = objective
        self.metrics = metrics
        self.own = own
        self.execution = execution or Execution()
        self.turns = Turns()
        """Held while a step changes the weights."""
        self.casting = casting(None, torch.device("cpu"))
        """Entered around forward and loss: where mixed precision happens."""
        self.fast: CompiledStep | GraphStep | None = None
        """What runs steps faster than Python does, if there is anything."""
        self.passing: Passing = "one"
        self.compute_loss: Callable[..., Tensor] | None = (
            model.compute_loss if "compute_loss" in own else None
        )
        self.regularized: list[Layer] = []
        self.resolved = False
        self.is_fitting = False
        self.present: Pass = Pass(int, 0)
        """The pass over data that is under way, or was the last."""
        self.batch_loss: Any = None
        """The loss of the last training batch, on the device: reading it may wait."""

    def __getstate__(self) -> dict[str, Any]:
        # A pass that is over belongs to nobody else, and what counts its rows cannot be pickled.
        return {**vars(self), "present": Pass(int, 0)}

    @property
    def device(self) -> torch.device:
        """Where the model is: the device of its first weight."""
        first = next(self.model.parameters(), None)
        if first is None:
            first = next(self.model.buffers(), None)
        return torch.get_default_device() if first is None else first.device

    def forward(self, x: Any) -> Any:
        """Call the model with one batch's inputs, as its `forward` wants them."""
        if self.passing == "one":
            return self.model(x)
        return self.model(*x) if self.passing == "positions" else self.model(**x)

    def settle_execution(self) -> None:
        """Fit the way steps are run to where the model is."""
        self.casting = casting(self.execution.precision, self.device)
        if self.fast is None and self.execution.jit:
            self.fast = CompiledStep(_Whole(self), self.optimizer, self.execution.precision)

    @property
    def scheduled(self) -> bool:
        """Whether the optimizer changes its learning rate by itself."""
        return self.optimizer is not None and self.optimizer.scheduled

    def find_penalties(self) -> None:
        """Note which layers add to the loss."""
        layers = [module for module in self.model.modules() if isinstance(module, Layer)]
        self.regularized = [layer for layer in layers if layer.has_penalty]

    def build_optimizer(self) -> None:
        """Give the optimizer the model's weights, once they all exist."""
        self.find_penalties()
        layers = [module for module in self.model.modules() if isinstance(module, Layer)]
        if self.optimizer is not None:
            constrained = [layer for layer in layers if layer.has_constraints]

            def constrain() -> None:
                for layer in constrained:
                    layer.apply_constraints()

            # Frozen weights too: they may be thawed later, and without a gradient none is touched.
            self.optimizer.build(
                self.model.named_parameters(), after_update=constrain if constrained else None
            )
        self._record_graphs()

    def loss(
        self, x: Any, y: Any, prediction: Any, sample_weight: Any
    ) -> tuple[Tensor, list[Tensor]]:
        """Return a batch's loss with all that is added to it, and the losses of single outputs."""
        if self.compute_loss is not None:
            return self.compute_loss(x, y, prediction, sample_weight), []
        loss, parts = self.objective(y, prediction, sample_weight)
        return (loss + self.penalty() if self.regularized else loss), parts

    def _record_graphs(self) -> None:
        """Let a GPU replay whole steps, where nothing can get lost by that."""
        if self.fast is not None or not self.execution.graphs or self.device.type != "cuda":
            return
        plain = self.optimizer is not None and self.compute_loss is None and not self.own
        if plain and not self.regularized and is_safe(self.model):
            assert self.optimizer is not None  # so it is plain
            self.fast = GraphStep(_Whole(self), self.optimizer)

    def penalty(self) -> Tensor:
        """Return the sum of the layers' regularisation losses."""
        found = [layer.penalty() for layer in self.regularized]
        return torch.stack([value for value in found if value is not None]).sum()

    def scoreboard(self, extra: Sequence[Scored] = ()) -> Scoreboard:
        """Return a fresh scoreboard for one pass over data."""
        return Scoreboard(self.objective.names, [*self.metrics.scored, *extra])

    @property
    def rows_seen(self) -> tuple[int, int]:
        """How many rows the present pass has seen, and how many it has (0 if nobody knows)."""
        return self.present.seen(), self.present.samples

    def tracked(self) -> list[str]:
        """Return the names of the metrics that a step of the user's own updates itself."""
        for metric in self.model.metrics:
            metric.reset_state()
        return [metric.name for metric in self.model.metrics]

    @contextlib.contextmanager
    def fitting(self) -> Iterator[None]:
        """Mark that a `fit` is under way."""
        self.is_fitting = True
        try:
            yield
        finally:
            self.is_fitting = False

    @contextlib.contextmanager
    def metrics_kept(self) -> Iterator[None]:
        """Put the metrics of a `fit` back, when a callback evaluates in the middle of its epoch."""
        found = [(metric, metric.snapshot()) for metric in self.model.metrics]
        try:
            yield
        finally:
            for metric, snapshot in found if self.is_fitting else ():
                metric.restore(snapshot)

    def end_epoch(self) -> None:
        """Let schedules that count epochs go on."""
        if self.optimizer is not None:
            self.optimizer.end_epoch()

    def finish(self) -> None:
        """End a `fit`: with `use_ema` the averages become the weights."""
        if self.optimizer is not None:
            self.optimizer.finalize_weights()

    def drop_gradients(self) -> None:
        """Forget gradients that no update has used."""
        self.model.zero_grad(set_to_none=True)

    def log_names(self, *, validation: bool, learning_rate: bool) -> LogNames:
        """Return every name that `fit` will log by itself."""
        directions: dict[str, Any] = dict.fromkeys(self.objective.names, "min")
        directions |= self.metrics.directions()
        if validation:
            directions |= {f"val_{name}": way for name, way in list(directions.items())}
        if learning_rate:
            directions["learning_rate"] = None
        return LogNames(directions, complete="train_step" not in self.own, validates=validation)


class _Whole(nn.Module):
    """A model with its loss, as the one module that a compiler is given."""

    def __init__(self, compiled: Compiled) -> None:
        super().__init__()
        self.model = compiled.model
        self._compiled = compiled

    def forward(self, x: Any, y: Any, sample_weight: Any) -> Computed:
        """Return the loss of a batch, the losses of single outputs, and the outputs."""
        with self._compiled.casting:
            prediction = self._compiled.forward(x)
            loss, parts = self._compiled.loss(x, y, prediction, sample_weight)
        return loss, parts, prediction

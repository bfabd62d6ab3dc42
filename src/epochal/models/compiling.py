"""A model that is compiled: its optimizer, losses and metrics, and the steps they take."""

import contextlib
from collections.abc import Mapping
from typing import Any, Literal, Never

from torch import Tensor

from epochal import optimizers
from epochal.core.errors import Problems, UsageError, reject_unknown
from epochal.metrics import Metric
from epochal.models.base import BaseModel
from epochal.training import batches
from epochal.training.compiled import Compiled
from epochal.training.dry_run import choose_passing
from epochal.training.execution import check_execution, prepare_scaling
from epochal.training.objective import Objective
from epochal.training.scores import MetricPlan

__all__ = ["CompiledModel"]

_OWN_STEPS = ("train_step", "test_step", "predict_step", "compute_loss")


class CompiledModel(BaseModel):
    """What `Model` is without a loop: `compile`, and the steps that a subclass may write anew."""

    _compiled: Compiled | None = None

    def compile(  # Keras' compile; torch's own is `torch.compile(model)`
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | Literal["auto"] = "auto",
        auto_scale_loss: bool = True,
        mixed_precision: str | None = None,
        **unknown: Never,
    ) -> None:
        """Say how the model is trained. Compiling again keeps the weights and resets the optimizer.

        Args:
            optimizer: A name, an `epochal.optimizers` object, or any `torch.optim` class, factory
                or instance.
            loss: A name, an `epochal.losses` object, a `torch.nn` loss, or any function
                `(y_true, y_pred)`; a list or dict of them by output.
            loss_weights: A number for each output's loss, in the same form.
            metrics: What to report beside the loss: names, `epochal.metrics` objects, functions
                `(y_true, y_pred)`; a list, or lists or dicts by output.
            weighted_metrics: The same, for metrics that see the sample weights.
            run_eagerly: Whether to run every step as it is written, for debugging: nothing is
                compiled, and on a GPU nothing recorded.
            steps_per_execution: Batches between two calls of the batch hooks.
            jit_compile: Whether `torch.compile` makes one graph of forward, loss and gradients: it
                takes seconds to minutes before the first step, and makes small nets about twice as
                fast. Where it cannot, training goes on without, after a warning. With `"auto"`
                nothing is compiled; on a GPU, steps of models of torch's and this library's own
                layers are recorded as CUDA graphs and replayed.
            auto_scale_loss: Whether float16 scales the loss by a factor that it finds by itself.
            mixed_precision: `"bfloat16"` or `"float16"` (also as Keras' `"mixed_bfloat16"`): the
                type that matrix products and convolutions compute in. Weights, losses and metrics
                stay in float32.

        Raises:
            UsageError: If a name or an argument is unknown.

        Example:
            >>> import epochal, torch
            >>> model = epochal.Model(torch.nn.Linear(2, 1))
            >>> model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["acc"])
            >>> model.metrics_names
            ['loss', 'acc']
        """
        reject_unknown(CompiledModel.compile, unknown, "compile")
        execution = check_execution(jit_compile, run_eagerly, steps_per_execution, mixed_precision)
        made = None if optimizer is None else optimizers.get(optimizer)
        if made is not None:
            prepare_scaling(made, execution, auto_scale_loss)
        self._compiled = Compiled(
            self,
            made,
            Objective(loss, loss_weights),
            MetricPlan(metrics, weighted_metrics),
            self._own_steps(),
            execution,
        )

    def train_step(self, data: tuple[Any, ...]) -> Mapping[str, Any]:
        """Train on one batch; override it for a step of your own.

        Compute the loss, call `backward` and `self.optimizer.step()`, and return the logs. A value
        named like one of `self.metrics` is taken as it is; any other is averaged over the epoch.

        Args:
            data: `(x, y)`, `(x, y, sample_weight)` or `(x,)`, on the model's device.

        Returns:
            Logs by name.
        """
        return batches.train_on(self._need_compiled("train_step"), data)

    def test_step(self, data: tuple[Any, ...]) -> Mapping[str, Any]:
        """Evaluate one batch; override it together with `train_step` where they differ.

        Args:
            data: As for `train_step`.

        Returns:
            Logs by name.
        """
        return batches.test_on(self._need_compiled("test_step"), data)

    def predict_step(self, data: tuple[Any, ...]) -> Any:
        """Return the outputs for one batch; override it to change what `predict` returns.

        Args:
            data: `(x,)`.
        """
        return self._compiled_or_bare().forward(data[0])

    def compute_loss(
        self,
        x: Any = None,  # noqa: ARG002 (for those who override it)
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
    ) -> Tensor:
        """Return the loss of one batch; override it to add terms of your own.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: What the model returned for the inputs.
            sample_weight: Weights of the samples, or None.
        """
        return batches.compute_loss(self._need_compiled("compute_loss"), y, y_pred, sample_weight)

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer; its `learning_rate` can be read and set."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def batch_loss(self) -> Any:
        """The loss of the last training batch: a tensor on the device, or None before the first."""
        return None if self._compiled is None else self._compiled.batch_loss

    @property
    def rows_seen(self) -> tuple[int, int]:
        """How many rows the present pass has seen, and how many it has (0 if nobody knows)."""
        return (0, 0) if self._compiled is None else self._compiled.rows_seen

    @property
    def loss(self) -> Any:
        """The loss as it was given to `compile`."""
        return None if self._compiled is None else self._compiled.objective.given

    @property
    def metrics(self) -> list[Metric]:
        """The metrics: those given to `compile`, then those kept in attributes of the model."""
        found = [] if self._compiled is None else self._compiled.metrics.metrics
        own = [value for value in vars(self).values() if isinstance(value, Metric)]
        return [*found, *(metric for metric in own if metric not in found)]

    @property
    def metrics_names(self) -> list[str]:
        """The names in the logs, in their order, as `evaluate` returns them."""
        if self._compiled is None:
            return []
        return [*self._compiled.objective.names, *self._compiled.metrics.names]

    def still(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which no step of a `fit` in another thread changes the weights.

        Example:
            >>> import epochal, torch
            >>> model = epochal.Model(torch.nn.Linear(2, 1))
            >>> with model.still():
            ...     copy = {name: value.clone() for name, value in model.state_dict().items()}
        """
        compiled = self._compiled
        return contextlib.nullcontext() if compiled is None else compiled.turns.taken()

    def reset_metrics(self) -> None:
        """Reset every metric."""
        for metric in self.metrics:
            metric.reset_state()

    def _pass(self, x: Any) -> Any:
        compiled, problems = self._compiled_or_bare(), Problems(type(self).__name__)
        choose_passing(compiled, x, problems)
        problems.raise_if_any()
        return compiled.forward(x)

    def _own_steps(self) -> frozenset[str]:
        return frozenset(
            name
            for name in _OWN_STEPS
            if getattr(type(self), name) is not getattr(CompiledModel, name)
        )

    def _need_compiled(self, call: str) -> Compiled:
        if self._compiled is None:
            raise UsageError(
                f"{call}: the model is not compiled; call model.compile(optimizer, loss) first"
            )
        return self._compiled

    def _compiled_or_bare(self) -> Compiled:
        """Return what `compile` settled, or for `predict` something that does without."""
        if self._compiled is not None:
            return self._compiled
        return Compiled(self, None, Objective(None), MetricPlan(), self._own_steps())

"""The model: a module with `compile`, `fit`, `evaluate` and `predict`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Never

from epochal.callbacks import History
from epochal.core.errors import reject_unknown
from epochal.core.trees import map_leaves
from epochal.data import Source
from epochal.models import formats
from epochal.models.compiling import CompiledModel
from epochal.models.formats.matching import LeftOut
from epochal.training import batches
from epochal.training.arguments import FitArguments, Verbose
from epochal.training.loop import run_evaluate, run_fit, run_predict
from epochal.training.plan import plan_evaluate, plan_fit, plan_predict

__all__ = ["Model"]


class Model(CompiledModel):
    """A module that can be compiled, fitted, evaluated and asked for predictions.

    Wrap any module, `Model(module)`, or subclass with a `forward` (Keras' `call` works too). The
    wrapped module's own names are those of the weights in `state_dict` and in every file.

    Args:
        module: The module to wrap; nothing for a subclass.

    Raises:
        UsageError: If `module` is something else.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = Model(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)))
        >>> model.compile(optimizer="adam", loss="mse")
        >>> history = model.fit(torch.rand(16, 2), torch.rand(16, 1), epochs=2, verbose=0)
        >>> len(history.history["loss"]), model.predict(torch.rand(3, 2), verbose=0).shape
        (2, (3, 1))
    """

    stop_training: bool = False
    """Set it in a callback to end training after the batch at hand."""
    fits: int = 0
    """How many calls of `fit` have ended, of those that were not broken off."""
    diverged: bool = False
    """Set by `TerminateOnNaN`: the weights are no longer numbers, so nothing validates or saves."""
    initial_epoch: int = 0
    """The epoch that `fit` begins with; a callback may set it in `on_train_begin`."""
    stop_evaluating: bool = False
    stop_predicting: bool = False
    history: History | None = None
    """What the last `fit` logged."""

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | Literal["batch"] = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        **unknown: Never,
    ) -> History:
        """Train the model.

        Args:
            x: Inputs: arrays, tensors, pandas frames, lists of numbers, or nested tuples and dicts
                of them; or a Dataset, a DataLoader, a generator or another iterable that gives
                `(x, y)` or `(x, y, sample_weight)`.
            y: Targets, if `x` is arrays.
            batch_size: Rows in a batch; 32 by default.
            epochs: The epoch to train up to; how many, if `initial_epoch` is 0.
            verbose: 1 (or `"auto"`) for a progress bar, 2 for a line an epoch, 0 for silence.
            callbacks: One callback or a list of them.
            validation_split: Share of the last rows to validate on, taken before shuffling.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset to validate on.
            shuffle: Whether arrays and Datasets are shuffled anew each epoch; `"batch"` shuffles
                arrays inside of batches only.
            class_weight: Class number to how much its samples count in the loss.
            sample_weight: How much each sample counts in the loss, (N,).
            initial_epoch: The epoch to begin with, to go on with an earlier run.
            steps_per_epoch: Batches in an epoch; a pass over the data that ends in the middle of
                one goes on into the next. All batches of one pass by default.
            validation_steps: Batches of each validation; all of them by default.
            validation_batch_size: Rows in a batch of a validation; `batch_size` by default.
            validation_freq: Validate after every so many epochs, or after those in a list, counted
                from 1.

        Returns:
            The history: what every epoch logged.

        Raises:
            UsageError: If anything cannot work; all problems are in one error, before the first
                step, and the model is as it was.

        Example:
            >>> import torch
            >>> model = Model(torch.nn.Linear(1, 1))
            >>> model.compile("sgd", "mse")
            >>> model.fit([[0.0], [1.0]], [[1.0], [3.0]], epochs=3, verbose=0).epoch
            [0, 1, 2]
        """
        reject_unknown(Model.fit, unknown, "fit")
        arguments = FitArguments(
            x,
            y,
            batch_size,
            epochs,
            verbose,
            callbacks,
            validation_split,
            validation_data,
            shuffle,
            class_weight,
            sample_weight,
            initial_epoch,
            steps_per_epoch,
            validation_steps,
            validation_batch_size,
            validation_freq,
        )
        return run_fit(plan_fit(self, self._need_compiled("fit"), arguments))

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        metrics: Any = None,
        **unknown: Never,
    ) -> Any:
        """Return the loss and the metrics over data, without training.

        Args:
            x: Inputs, or a dataset; as for `fit`.
            y: Targets, if `x` is arrays.
            batch_size: Rows in a batch; 32 by default.
            verbose: 1 (or `"auto"`) for a progress bar, 2 for a line, 0 for silence.
            sample_weight: How much each sample counts, (N,).
            steps: Batches to look at; all of them by default.
            callbacks: One callback or a list of them.
            return_dict: Whether to return values by name.
            metrics: More metrics for this call, as for `compile`, without compiling again; they
                come after those of `metrics_names`.

        Returns:
            The loss if there are no metrics; else a list in the order of `metrics_names`, or a
            dict.

        Raises:
            UsageError: If anything cannot work.

        Example:
            >>> import torch
            >>> model = Model(torch.nn.Linear(1, 1))
            >>> model.compile("sgd", "mse", metrics=["mae"])
            >>> sorted(model.evaluate([[1.0]], [[1.0]], return_dict=True, verbose=0))
            ['loss', 'mae']
        """
        reject_unknown(Model.evaluate, unknown, "evaluate")
        source = Source(x, y, sample_weight)
        compiled = self._need_compiled("evaluate")
        plan = plan_evaluate(self, compiled, source, batch_size, steps, verbose, callbacks, metrics)
        values = run_evaluate(plan)
        if return_dict:
            return values
        return list(values.values()) if len(values) > 1 else next(iter(values.values()))

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        **unknown: Never,
    ) -> Any:
        """Return the model's outputs for data.

        Args:
            x: Inputs, or a dataset; targets in it are passed over.
            batch_size: Rows in a batch; 32 by default.
            verbose: 1 (or `"auto"`) for a progress bar, 2 for a line, 0 for silence.
            steps: Batches to look at; all of them by default.
            callbacks: One callback or a list of them.

        Returns:
            A NumPy array, (N, ...), or nested arrays if the model has several outputs.

        Raises:
            UsageError: If anything cannot work.

        Example:
            >>> import torch
            >>> Model(torch.nn.Linear(2, 3)).predict([[1.0, 2.0]], verbose=0).shape
            (1, 3)
        """
        reject_unknown(Model.predict, unknown, "predict")
        compiled = self._compiled_or_bare()
        return run_predict(plan_predict(self, compiled, x, batch_size, steps, verbose, callbacks))

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
        **unknown: Never,
    ) -> Any:
        """Train on one batch and return its loss and metrics.

        Args:
            x: Inputs, (N, ...).
            y: Targets, (N, ...).
            sample_weight: How much each sample counts, (N,).
            class_weight: Class number to how much its samples count.
            return_dict: Whether to return values by name.

        Raises:
            UsageError: If anything cannot work.
        """
        reject_unknown(Model.train_on_batch, unknown, "train_on_batch")
        compiled = self._need_compiled("train_on_batch")
        source = Source(x, y, sample_weight)
        logs = batches.train_on_batch(compiled, source, class_weight)
        return _returned(logs, return_dict)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
        **unknown: Never,
    ) -> Any:
        """Evaluate one batch and return its loss and metrics.

        Args:
            x: Inputs, (N, ...).
            y: Targets, (N, ...).
            sample_weight: How much each sample counts, (N,).
            return_dict: Whether to return values by name.

        Raises:
            UsageError: If anything cannot work.
        """
        reject_unknown(Model.test_on_batch, unknown, "test_on_batch")
        compiled = self._need_compiled("test_on_batch")
        logs = batches.test_on_batch(compiled, Source(x, y, sample_weight))
        return _returned(logs, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch of inputs as NumPy arrays."""
        outputs = batches.predict_on_batch(self._compiled_or_bare(), x)
        return map_leaves(lambda leaf: leaf.cpu().numpy(), outputs)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights, whole or not at all; the path's ending decides the format.

        Args:
            filepath: The file; missing folders are made.
            overwrite: Whether a file that is there already may be replaced.

        Raises:
            UsageError: If no format has the ending, or the file may not be replaced.
        """
        formats.save_weights(self, filepath, overwrite)

    def check_path(self, filepath: str | os.PathLike[str], *, weights_only: bool = False) -> None:
        """Find out whether `save` (or `save_weights`) could write to a path, without writing.

        Args:
            filepath: The file; its ending decides the format.
            weights_only: Whether it is for `save_weights`.

        Raises:
            UsageError: If no format has the ending, or the format cannot hold such a model.
        """
        formats.check_path(self, filepath, weights_only)

    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        skip_mismatch: bool = False,
        *,
        strict: bool = True,
        **unknown: Never,
    ) -> LeftOut:
        """Read the weights from a file of weights or of a whole model.

        Names in the file may have what `torch.compile`, `DataParallel` and the like put before
        them. What another type of number holds is converted to that of the model.

        Args:
            filepath: The file; its ending says the format.
            skip_mismatch: Keras' way to say `strict=False`.
            strict: Whether everything has to fit. If not, what fits by name and shape is loaded,
                and one warning lists the rest.

        Returns:
            What was left out: `missing`, `unexpected` and `misshaped` names; nothing if `strict`.

        Raises:
            UsageError: If names or shapes differ and `strict` is true, or nothing fits; every
                difference is in the error, and the model is as it was.

        Example:
            >>> import tempfile, warnings
            >>> from torch import nn
            >>> path = f"{tempfile.mkdtemp()}/old.safetensors"
            >>> Model(nn.ModuleDict({"body": nn.Linear(2, 8)})).save_weights(path)
            >>> new = Model(nn.ModuleDict({"body": nn.Linear(2, 8), "head": nn.Linear(8, 1)}))
            >>> with warnings.catch_warnings(action="ignore"):
            ...     new.load_weights(path, strict=False).missing
            ('head.weight', 'head.bias')
        """
        reject_unknown(Model.load_weights, unknown, "load_weights")
        return formats.load_weights(self, filepath, strict and not skip_mismatch)

    def restore(self, filepath: str | os.PathLike[str]) -> None:
        """Read weights and optimizer state, to go on training a model made in code.

        Raises:
            UsageError: If they do not belong to this model and its optimizer.
        """
        formats.restore(self, filepath)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write weights, optimizer state, compile settings and the architecture.

        Args:
            filepath: The file; its ending decides the format. Missing folders are made.
            overwrite: Whether a file that is there already may be replaced.

        Raises:
            UsageError: If no format has the ending, or the file may not be replaced.
        """
        formats.save_model(self, filepath, overwrite)


def _returned(logs: Mapping[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return dict(logs)
    values = list(logs.values())
    return values if len(values) > 1 else values[0]

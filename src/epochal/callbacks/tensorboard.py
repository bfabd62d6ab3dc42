"""Curves, weights, the graph, profiles and embeddings for TensorBoard, without TensorFlow."""

import math
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Never

from epochal.callbacks.base import Callback
from epochal.callbacks.tensorboard_arguments import (
    every_batches,
    every_epochs,
    profiled_batches,
    refuse,
)
from epochal.callbacks.tensorboard_events import (
    EventWriter,
    cut_back,
    ledger,
    require_tensorboard,
    scalars,
)
from epochal.callbacks.tensorboard_graph import conceptual, graph_def, module_tree, record
from epochal.callbacks.tensorboard_profile import Profile
from epochal.callbacks.tensorboard_projector import Metadata, Projector, find_metadata
from epochal.callbacks.tensorboard_weights import model_name, write_weights
from epochal.core.errors import reject_unknown
from epochal.logs import LogNames

__all__ = ["TensorBoard"]

_FOLDERS = ("train", "validation")


class TensorBoard(Callback):
    """Writes what TensorBoard shows: `tensorboard --logdir logs`.

    Folders and tags are Keras'. In `train/`: `epoch_<log>` and `epoch_learning_rate` by epoch,
    `batch_<log>` by the global step of training (counted from 1 in each fit), and what the
    arguments below ask for. In `validation/`: `epoch_<log>` by epoch, and for every evaluation
    `evaluation_<log>_vs_iterations` by the optimizer's updates. Each fit writes event files of its
    own; they are brought up to date at the end of every epoch. A run that `BackupAndRestore` saves
    goes on in a new file, and its old ones are cut back to what was saved, so no point comes twice.

    Needs the tensorboard package: `pip install "epochal[tensorboard]"`.

    Args:
        log_dir: The folder; made if it is missing. Give every run one of its own.
        histogram_freq: Write histograms of the weights, `<weight path>/histogram`, in every so many
            epochs, beginning with the first; 0 for none.
        write_graph: Write the graph of the model: the operations it makes of one row of zeros, and
            its layers as a conceptual graph. A model that cannot be run so (its inputs are not
            known, or it fails on zeros, which is a warning) is shown as the tree of its modules.
        write_images: Write the weights as pictures too, `<weight path>/image`, with the histograms.
        write_steps_per_second: Write `epoch_steps_per_second`, and `batch_steps_per_second` unless
            `update_freq` is `"epoch"`.
        update_freq: `"epoch"`; or `"batch"`, or a number of batches, to write the logs in between
            as well. A batch that is not written costs nothing.
        profile_batch: Profile this batch, or from one to another: `(2, 4)` or `"2,4"`, counted from
            1 through all epochs; 0 for none. TensorBoard shows the times of the calls in its Graphs
            tab; with the `xprof` package installed it shows the profile in its Profile tab. The
            `.pt.trace.json.gz` file opens in Perfetto and in torch-tb-profiler.
        embeddings_freq: Write the tables of embedding layers for the projector in every so many
            epochs, beginning with the first; 0 for none. The last ones written are shown.
        embeddings_metadata: A file of labels, one line for each row of the table; or a dict: layer
            name to file. A file is looked for as it is named, then in `log_dir`.
        embeddings_layer_names: The embedding layers to write; all of them if None.
        batch_size: Taken for old code; no batch is needed for what is written.
        write_grads: Only False: gradients are gone when a callback is called.
        embeddings_data: Only None: what is shown are the tables themselves.

    Raises:
        ImportError: If there is no tensorboard package.
        UsageError: If an argument is outside of what it can be.

    Example:
        >>> import tempfile, torch, epochal
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = model.fit([[1.0]], [[2.0]], epochs=2, verbose=0, callbacks=TensorBoard(folder))
        >>> from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        >>> events = EventAccumulator(str(folder / "train")).Reload()
        >>> events.Tags()["tensors"]
        ['keras', 'epoch_loss', 'epoch_learning_rate']
    """

    reads_all = True
    state = ("train_step", "files")

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | Literal["epoch", "batch"] = "epoch",
        profile_batch: int | str | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Metadata = None,
        *,
        embeddings_layer_names: Sequence[str] | None = None,
        batch_size: int | None = None,
        write_grads: bool = False,
        embeddings_data: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(TensorBoard.__init__, unknown)
        refuse(write_grads=bool(write_grads), embeddings_data=embeddings_data is not None)
        require_tensorboard()
        self.log_dir = Path(log_dir)
        self.histogram_freq = every_epochs("histogram_freq", histogram_freq)
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = update_freq
        self.profile_batch = profile_batch
        self.embeddings_freq = every_epochs("embeddings_freq", embeddings_freq)
        self.embeddings_metadata = embeddings_metadata
        self.embeddings_layer_names = embeddings_layer_names
        self.batch_size = batch_size
        self.train_step = 0
        self._every = every_batches(update_freq)
        self._profiled = profiled_batches(profile_batch)
        self._profile: Profile | None = None
        self._writers: dict[str, EventWriter] = {}
        self._projector: Projector | None = None
        self._kept: Mapping[str, Mapping[str, int]] | None = None
        # So that writing each epoch costs no batch anything.
        needed = {
            "on_train_batch_begin": bool(self._profiled),
            "on_train_batch_end": bool(self._every or self._profiled),
        }
        self.idle = tuple(hook for hook, wanted in needed.items() if not wanted)

    def check(self, names: LogNames) -> Iterable[str]:
        """Look for what is in the way of the folders, and for the metadata files."""
        for folder in (self.log_dir, self.log_dir / "train", self.log_dir / "validation"):
            place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
            if not place.is_dir():
                yield f"TensorBoard: {str(place)!r} is a file; log_dir has to be a folder"
                return
            if not os.access(place, os.W_OK):
                yield f"TensorBoard: nothing can be written in {str(place)!r}; give another log_dir"
                return
        given = self.embeddings_metadata if self.embeddings_freq else None
        for file in given.values() if isinstance(given, Mapping) else [given] if given else []:
            if find_metadata(file, self.log_dir) is None:
                yield f"TensorBoard: embeddings_metadata: there is no file {os.fspath(file)!r}"

    @property
    def files(self) -> dict[str, dict[str, int]]:
        """The event files of a run that is saved, and how much of each belongs to it so far."""
        for writer in self._writers.values():
            writer.flush()
        run = self.run_id
        return {} if run is None else {name: ledger(self.log_dir / name, run) for name in _FOLDERS}

    @files.setter
    def files(self, files: Mapping[str, Mapping[str, int]]) -> None:
        """Nothing is left to do: the files were cut back before training began."""

    def before_resume(self, state: Mapping[str, Any]) -> None:
        """Note which events belong to the run: those behind them will come again."""
        self._kept = state["files"]

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin the event file, write the graph, and find the embeddings."""
        self.close()
        kept, self._kept = self._kept, None
        if self.run_id is not None:
            for name in _FOLDERS:
                # Nothing is kept of a run that died before it was saved for the first time.
                cut_back(self.log_dir / name, self.run_id, (kept or {}).get(name, {}))
        self.train_step = 0
        self._projector = None
        if self.embeddings_freq:
            self._projector = Projector(
                self.model,
                self.log_dir / "train",
                self.log_dir,
                self.embeddings_metadata,
                self.embeddings_layer_names,
            )
        train = self._writer("train")
        if self.write_graph and not kept:
            self._write_graph(train)
        train.flush()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note when the epoch begins."""
        self._window_step = self.train_step
        if self.write_steps_per_second:
            self._epoch_iterations = self._iterations()
            self._epoch_began = self._window_began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what the epoch logged, and what is due of the weights."""
        train = self._writer("train")
        for name, value in (logs or {}).items():
            if name.startswith("val_"):
                validation = self._writer("validation")
                self._scalars(validation, f"epoch_{name.removeprefix('val_')}", value, epoch)
            elif name not in ("learning_rate", "lr"):
                self._scalars(train, f"epoch_{name}", value, epoch)
        rate = (logs or {}).get("learning_rate")
        if rate is not None and not math.isnan(rate):  # NaN: a fit without an optimizer
            train.scalar("epoch_learning_rate", rate, epoch)
        if self.write_steps_per_second:
            took = time.perf_counter() - self._epoch_began
            steps = self._iterations() - self._epoch_iterations
            if self.model.optimizer is None:  # a step of the user's own: take what was planned
                steps = (self.params or {}).get("steps") or 0
            train.scalar("epoch_steps_per_second", steps / max(took, 1e-9), epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            write_weights(train, self.model, epoch, images=self.write_images)
        if self._projector is not None and epoch % self.embeddings_freq == 0:
            self._projector.write()
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Close the files."""
        if self._profiled and self.train_step < self._profiled[0]:
            warnings.warn(
                f"TensorBoard: profile_batch is {self.profile_batch!r}, but training had "
                f"{self.train_step} batches; there is no profile",
                stacklevel=2,
            )
        self.close()

    def on_test_end(self, logs: Any = None) -> None:
        """Write an evaluation's values, by the number of updates made so far."""
        writer = self._writer("validation")
        for name, value in (logs or {}).items():
            tag = f"evaluation_{name}_vs_iterations"
            self._scalars(writer, tag, value, self._iterations())

    def close(self) -> None:
        """Write a profile that is still running, and close the files, whatever ended the run."""
        try:
            self._end_profile()
        finally:
            writers, self._writers = self._writers, {}
            for writer in writers.values():
                writer.close()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Begin to profile, if it is time."""
        step = self.train_step + 1
        if self._profiled and step == self._profiled[0]:
            first = next(self.model.parameters(), None)
            self._profile = Profile(cuda=first is not None and first.device.type == "cuda")
        if self._profile is not None:
            self._profile.begin_batch(step)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write the batch's values, if it is time, and end a profile."""
        self.train_step += 1
        if self._profile is not None:
            self._profile.end_batch()
            if self._profiled and self.train_step == self._profiled[1]:
                self._end_profile()
        if self._every and self.train_step % self._every == 0:
            train = self._writer("train")
            for name, value in (logs or {}).items():
                self._scalars(train, f"batch_{name}", value, self.train_step)
            if self.write_steps_per_second:
                now = time.perf_counter()
                rate = (self.train_step - self._window_step) / max(now - self._window_began, 1e-9)
                train.scalar("batch_steps_per_second", rate, self.train_step)
                self._window_step, self._window_began = self.train_step, now

    def _end_profile(self) -> None:
        profile, self._profile = self._profile, None
        if profile is not None and self._profiled:
            first, last = self._profiled[0], self.train_step
            tag = f"batch_{first}" if first >= last else f"batch_{first}-{last}"
            profile.stop(self._writer("train"), tag, last)

    def _write_graph(self, writer: EventWriter) -> None:
        name = model_name(self.model)
        sample = self.model.sample_inputs()
        try:
            nodes = None if sample is None else record(self.model, sample, name)
        except Exception as error:  # whatever a model does with zeros must not end training
            warnings.warn(
                f"TensorBoard: the graph shows the modules alone: the model cannot be run on a row "
                f"of zeros ({type(error).__name__}: {error}); write_graph=False for no graph",
                stacklevel=2,
            )
            nodes = None
        writer.graph(graph_def(nodes or module_tree(self.model, name)))
        if nodes:
            content = conceptual(nodes, self.model, name).encode()
            writer.graph_extra("keras", "graph_keras_model", content, 0)

    def _scalars(self, writer: EventWriter, tag: str, value: Any, step: int) -> None:
        for name, number in scalars(tag, value):
            writer.scalar(name, number, step)

    def _writer(self, run: str) -> EventWriter:
        """Return the writer of `train` or `validation`; its file begins when it is first needed."""
        if run not in self._writers:
            self._writers[run] = EventWriter(self.log_dir / run, self.run_id)
        return self._writers[run]

    def _iterations(self) -> int:
        optimizer = self.model.optimizer
        return 0 if optimizer is None else int(optimizer.iterations)

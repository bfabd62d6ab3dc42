"""Tables of embeddings for TensorBoard's projector: `projector_config.pbtxt` and TSV files."""

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from epochal.core.errors import Problems, unknown_name
from epochal.layers import Embedding
from epochal.storage import atomic_path, atomic_write

__all__ = ["Metadata", "Projector", "find_metadata"]

Metadata = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None


class Projector:
    """Writes the weights of embedding layers where the projector finds them.

    The files stand beside the event file of the run: TensorBoard serves nothing from outside of
    the folder of `projector_config.pbtxt`, and looks for that file in the folders of its runs.

    Args:
        model: Whose embeddings.
        folder: The folder of the run.
        log_dir: Where metadata files are looked for, if they are not found as they are named.
        metadata: One file of labels for every layer, or a file for each by the layer's name.
        only: The layers to write; all of them if None.

    Raises:
        UsageError: If a layer or a file is not there, or a file has not a line for each row.
    """

    def __init__(
        self,
        model: Any,
        folder: Path,
        log_dir: Path,
        metadata: Metadata,
        only: Sequence[str] | None,
    ) -> None:
        problems = Problems("TensorBoard")
        found = dict(embeddings(model.wrapped))
        chosen = {_named(name, found, "embeddings_layer_names", problems) for name in only or found}
        given = metadata if isinstance(metadata, Mapping) else dict.fromkeys(chosen, metadata)
        files: dict[str, Path] = {}
        for name, file in given.items():
            layer = _named(str(name), found, "embeddings_metadata", problems)
            path = None if file is None else find_metadata(file, log_dir)
            if path is not None and layer in found:
                files[layer] = path
                _check_rows(path, layer, len(found[layer]), problems)
            elif file is not None and path is None:
                problems.add(f"embeddings_metadata: there is no file {os.fspath(file)!r}")
        problems.raise_if_any()
        self._folder = folder
        self._model = model
        self._layers = [name for name in found if name in chosen]
        self._files = files

    def write(self) -> None:
        """Write the tables as they are now, over those of before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        tables = dict(embeddings(self._model.wrapped))
        config = ""
        for name in self._layers:
            values = tables[name].detach().float().cpu().numpy()
            text = io.StringIO()
            np.savetxt(text, values, fmt="%.9g", delimiter="\t")  # nine digits give a float32 back
            _write(self._folder / f"{name}_tensor.tsv", text.getvalue())
            rows, columns = values.shape
            lines = [f"tensor_name: {json.dumps(name)}", f"tensor_shape: {rows}"]
            lines += [
                f"tensor_shape: {columns}",
                f"tensor_path: {json.dumps(f'{name}_tensor.tsv')}",
            ]
            if name in self._files:
                copy = self._folder / f"{name}_metadata.tsv"
                with atomic_path(copy) as path:
                    shutil.copyfile(self._files[name], path)
                lines.append(f"metadata_path: {json.dumps(copy.name)}")
            config += "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
        _write(self._folder / "projector_config.pbtxt", config)


def find_metadata(file: str | os.PathLike[str], log_dir: Path) -> Path | None:
    """Return where a metadata file is: as it is named, or in the folder of the logs."""
    return next((path for path in (Path(file), log_dir / file) if path.is_file()), None)


def embeddings(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every embedding layer's name and table, (rows, length of a vector)."""
    for name, part in module.named_modules():
        if isinstance(part, (Embedding, nn.Embedding, nn.EmbeddingBag)):
            yield name or "embedding", part.weight


def _named(name: str, found: Mapping[str, Any], argument: str, problems: Problems) -> str:
    """Return the full name of a layer that may be given by the last part of it alone."""
    ends = [full for full in found if full == name or full.endswith(f".{name}")]
    if name not in found and len(ends) == 1:
        return ends[0]
    if name not in found:
        problems.add(f"{argument}: {unknown_name('embedding layer', name, found)}")
    return name


def _check_rows(file: Path, layer: str, rows: int, problems: Problems) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    # The projector's rule: a first line with a tab names the columns.
    labels = len(lines) - (1 if lines and "\t" in lines[0] else 0)
    if labels != rows:
        problems.add(
            f"embeddings_metadata: {str(file)!r} has {labels} labels; {layer!r} has {rows} rows "
            "(a first line with a tab is taken for the names of the columns)"
        )


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())

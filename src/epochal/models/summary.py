"""The table that `summary()` prints."""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from epochal.core.trees import map_leaves
from epochal.layers import named_weights
from epochal.models.prefixes import PlainNames, without_wrappers

__all__ = ["print_summary"]


def print_summary(
    model: nn.Module,
    name: str,
    shapes: Mapping[str, Any],
    print_fn: Callable[[str], Any] | None = None,
    *,
    expand_nested: bool = False,
    show_trainable: bool = False,
) -> None:
    """Print a model's layers with their output shapes and numbers of parameters.

    Args:
        model: The model.
        name: What it is called.
        shapes: The output shapes by layer name, as far as they are known.
        print_fn: Called with the text instead of printing it.
        expand_nested: Whether to show the layers of models inside as well.
        show_trainable: Whether to show which layers are trained.
    """
    from rich.console import Console  # 20 ms, which few runs need
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f'Model: "{name}"'), title_justify="left")
    table.add_column("Layer (type)")
    table.add_column("Output shape")
    table.add_column("Parameters", justify="right")
    if show_trainable:
        table.add_column("Trained")
    for path, layer in _shown(model, expand_nested):
        shape = shapes.get(path)
        *outer, last = path.split(".")
        cells = [
            f"{'  ' * len(outer)}{last} ({type(layer).__name__})",
            "?" if shape is None else str(shape),
            f"{_count(layer):,}" if _built(layer) else "not built",
        ]
        if show_trainable:
            cells.append("yes" if getattr(layer, "trainable", _is_trained(layer)) else "no")
        table.add_row(*cells)
    total, trained = _count(model), _count(model, trained=True)
    lines = [
        f"Parameters: {total:,} ({_bytes(model)})",
        f"Trained: {trained:,}",
        f"Not trained: {total - trained:,}",
    ]
    if print_fn is None:
        console = Console(highlight=False)
        console.print(table)
        console.print("\n".join(lines), markup=False)
    else:
        buffer = io.StringIO()
        console = Console(file=buffer, width=100, highlight=False)
        console.print(table)
        console.print("\n".join(lines), markup=False)
        print_fn(buffer.getvalue())


def observed_shapes(model: nn.Module, run: Callable[[], Any]) -> dict[str, Any]:
    """Return the output shape of each layer, seen by running the model without training.

    A layer that was not reached, because the model cannot take such inputs, is left out.

    Args:
        model: The model.
        run: Calls it.

    Returns:
        The shapes by the layers' names, those in models inside with a dot.
    """
    shapes: dict[str, Any] = {}

    def watch(name: str) -> Callable[..., None]:
        def note(_: nn.Module, __: Any, output: Any) -> None:
            shapes[name] = map_leaves(lambda leaf: (None, *leaf.shape[1:]), output)

        return note

    hooks = [layer.register_forward_hook(watch(path)) for path, layer in _shown(model, True)]
    training = model.training
    try:
        model.eval()
        with torch.no_grad():
            run()
    except Exception:
        # Zeros are no sequence lengths, for one: what did not run is shown as unknown.
        return shapes
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return shapes


def _shown(model: nn.Module, nested: bool) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a model, or of the module that it wraps, each under its name."""
    for name, layer in without_wrappers(model).named_children():
        yield name, layer
        if nested and isinstance(layer, PlainNames):  # a model
            for path, inner in _shown(layer, nested):
                yield f"{name}.{path}", inner


def _is_trained(module: nn.Module) -> bool:
    return all(parameter.requires_grad for parameter in module.parameters())


def _count(module: nn.Module, *, trained: bool = False) -> int:
    """Return how many numbers the weights hold, as `count_params` does."""
    return sum(
        weight.value.numel()
        for weight in named_weights(module)
        if all(_is_made(getattr(weight.module, name)) for name in weight.weight.attributes)
        and (weight.trainable or not trained)
    )


def _built(module: nn.Module) -> bool:
    return all(getattr(m, "built", True) for m in module.modules())


def _is_made(tensor: Tensor) -> bool:
    return not is_lazy(tensor)


def _bytes(module: nn.Module) -> str:
    tensors = [t for t in (*module.parameters(), *module.buffers()) if _is_made(t)]
    size = float(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"

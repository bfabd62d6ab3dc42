"""Safetensors files of others under the names that the user's own module gives its weights."""

from pathlib import Path

from epochal.core.errors import UsageError
from epochal.models.prefixes import bare
from epochal.storage import load_tensors, save_tensors

__all__ = ["save_prefixless"]


def save_prefixless(source: Path, target: Path) -> int:
    """Copy the weights of a safetensors file, without what compiling and distributing prefixed.

    `_orig_mod.` goes wherever it stands; `module.` and `network.` where all names begin with it.

    Returns:
        How many weights there are.

    Raises:
        UsageError: If two weights would get one name.
    """
    tensors, _ = load_tensors(source)
    weights = {name: tensor for name, tensor in tensors.items() if "/" not in name}
    names = bare(list(weights))
    if len(set(names.values())) != len(names):
        raise UsageError(f"convert: {str(source)!r}: without prefixes, two weights have one name")
    renamed = {names[name]: tensor for name, tensor in weights.items()}
    save_tensors(target, renamed, {"kind": "weights"}, make_folder=True)
    return len(renamed)

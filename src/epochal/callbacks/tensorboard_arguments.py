"""What the arguments of TensorBoard may be."""

from typing import Any, Final

from epochal.core.errors import Problems, UsageError

__all__ = ["every_batches", "every_epochs", "profiled_batches", "refuse"]

_REFUSED: Final = {
    "write_grads": "each update clears the gradients before a callback could see them; write a "
    "train_step of your own that keeps them",
    "embeddings_data": "the projector shows the tables of embedding layers; for the outputs on "
    "data of your own, use predict and write them as a TSV file",
}


def refuse(**given: bool) -> None:
    """Refuse arguments of old code that cannot be honoured, each with the reason.

    Args:
        given: Name to whether it asks for something.

    Raises:
        UsageError: If any does.
    """
    problems = Problems("TensorBoard")
    for name, asked in given.items():
        if asked:
            problems.add(f"{name}: {_REFUSED[name]}")
    problems.raise_if_any()


def every_epochs(name: str, value: Any) -> int:
    """Return an argument that counts epochs, as it is."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(
            f"TensorBoard: {name} is {value!r}; give a number of epochs, or 0 for none"
        )
    return value


def every_batches(update_freq: Any) -> int:
    """Return after how many batches to write; 0 for never."""
    if update_freq in ("epoch", "batch"):
        return int(update_freq == "batch")
    if isinstance(update_freq, bool) or not isinstance(update_freq, int) or update_freq < 1:
        raise UsageError(
            f"TensorBoard: update_freq is {update_freq!r}; give 'epoch', 'batch' or a number of "
            "batches, 1 or more"
        )
    return update_freq


def profiled_batches(profile_batch: Any) -> tuple[int, int] | None:
    """Return the first and the last batch to profile; None for no profile."""
    given = profile_batch.split(",") if isinstance(profile_batch, str) else profile_batch
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    try:
        pair = [int(part) for part in parts if isinstance(part, (int, str)) and part is not True]
    except ValueError:
        pair = []
    if pair == [0] and len(parts) == 1:
        return None
    if len(pair) != len(parts) or len(pair) not in (1, 2) or not 1 <= pair[0] <= pair[-1]:
        raise UsageError(
            f"TensorBoard: profile_batch is {profile_batch!r}; give a batch counted from 1, the "
            "first and the last of several ((2, 4) or '2,4'), or 0 for none"
        )
    return pair[0], pair[-1]

"""The feeds of a call: what `fit` trains and validates on, what a single pass looks at."""

import warnings
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset

from epochal import data
from epochal.core.errors import Problems
from epochal.core.random import draw_seed
from epochal.data import ArrayFeed, Arrays, Feed, Feeding, FixedSteps, Source
from epochal.training.arguments import FitArguments
from epochal.training.dry_run import FirstLook

__all__ = ["FitFeeds", "feed_of_one_pass", "feeds_of_fit", "first_look"]


class FitFeeds(NamedTuple):
    """What a `fit` trains and validates on."""

    train: Feed
    validation: Feed | None
    targets: Any
    """All targets if they are arrays, so that every label is checked; else None."""


def feeds_of_fit(given: FitArguments, device: torch.device, problems: Problems) -> FitFeeds | None:
    """Return the feeds that `fit` asks for; None (and problems noted) if there can be none."""
    source = Source(given.x, given.y, given.sample_weight)
    arrays = data.to_arrays(source, problems)
    # A loader shuffles by itself, as it would in a loop by hand after the same manual_seed.
    shuffled_here = arrays is not None or isinstance(given.x, Dataset)
    seed = draw_seed() if shuffled_here else 0
    feeding = Feeding(given.batch_size, device, given.shuffle, seed)
    held_out: Arrays | None = None
    train: Feed | None
    if arrays is None:
        if given.validation_split:
            problems.add(
                f"validation_split needs arrays; x is a {type(given.x).__name__}: pass "
                "validation_data instead"
            )
        train = data.make_feed(source, feeding, problems, given.class_weight)
    elif problems:
        return None
    else:
        if given.validation_split and given.validation_data is None:
            arrays, held_out = data.split_off(arrays, given.validation_split, problems)
        if given.class_weight is not None:  # of what is trained on, never of validation
            arrays = data.with_class_weight(arrays, given.class_weight, problems)
        labels = data.column_labels(x=given.x, y=given.y)
        named = {"x": arrays.x, "y": arrays.y, "sample_weight": arrays.sample_weight}
        for text in data.non_finite(labels, **named):
            warnings.warn(f"fit: {text}; the loss will be NaN where they are used", stacklevel=5)
        if given.steps_per_epoch is not None and given.batch_size is None:
            rows = data.array_feed(arrays, feeding).samples
            feeding = feeding._replace(batch_size=-(-rows // given.steps_per_epoch))
        train = data.array_feed(arrays, feeding)
    validation = _validation(given, held_out, device, problems)
    if train is None:
        return None
    return FitFeeds(
        _epochs_of(train, given, problems), validation, None if arrays is None else arrays.y
    )


def feed_of_one_pass(
    source: Source,
    batch_size: int | None,
    steps: int | None,
    device: torch.device,
    problems: Problems,
) -> Feed:
    """Return the feed of `evaluate` or `predict`.

    Raises:
        UsageError: If there can be none.
    """
    problems.raise_if_any()
    feed = data.make_feed(source, Feeding(batch_size, device), problems)
    problems.raise_if_any()
    assert feed is not None  # make_feed notes a problem where it returns none
    return feed if steps is None else FixedSteps(feed, steps, restart=True)


def first_look(feed: Feed, targets: Any = None) -> FirstLook:
    """Return what the model is tried on before training."""
    batch = feed.peek()
    if isinstance(feed, ArrayFeed):
        targets = feed.y
    # Rows of a batch that somebody else made may belong together: it is tried as a whole.
    return FirstLook(batch, batch[1] if targets is None else targets, whole=targets is None)


def _validation(
    given: FitArguments, held_out: Arrays | None, device: torch.device, problems: Problems
) -> Feed | None:
    size = given.validation_batch_size
    feed: Feed | None
    if held_out is not None:
        feed = data.array_feed(held_out, Feeding(size or given.batch_size, device))
    elif given.validation_data is not None:
        feeding = Feeding(size or given.batch_size, device, inherited=size is None)
        feed = data.make_validation_feed(given.validation_data, feeding, problems)
    else:
        for name in ("validation_steps", "validation_batch_size"):
            if getattr(given, name) is not None and not problems:
                problems.add(f"{name} is given without validation_data or validation_split")
        return None
    if feed is None or given.validation_steps is not None:
        return feed and FixedSteps(feed, given.validation_steps or 1, restart=True)
    if feed.once and given.epochs - given.initial_epoch > 1:
        problems.add(
            "validation_data can be passed over only once, and there are several epochs: pass "
            "validation_steps, or data that can be passed over again"
        )
    return feed


def _epochs_of(feed: Feed, given: FitArguments, problems: Problems) -> Feed:
    if given.steps_per_epoch is not None:
        return FixedSteps(feed, given.steps_per_epoch)
    epochs = given.epochs - given.initial_epoch
    if feed.once and epochs > 1:
        problems.add(
            f"x is a {type(given.x).__name__}, which can be passed over only once, and there are "
            f"{epochs} epochs: pass steps_per_epoch, or data that can be passed over again (a "
            "DataLoader, a Dataset, a list of batches)"
        )
    return feed

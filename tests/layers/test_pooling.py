import numpy as np
import pytest
import torch

from epochal import layers


def windows(size, pool, step):
    """Yield the part inside the images of each `same` window, by its definition."""
    count = -(-size // step)
    total = max((count - 1) * step + pool - size, 0)
    for index in range(count):
        start = index * step - total // 2
        yield slice(max(start, 0), min(start + pool, size))


def pooled(x, pool, steps, reduce):
    rows = list(windows(x.shape[1], pool[0], steps[0]))
    columns = list(windows(x.shape[2], pool[1], steps[1]))
    return np.array(
        [[[reduce(image[r, c], axis=(0, 1)) for c in columns] for r in rows] for image in x]
    )


SIZES = [(7, 6), (9, 8), (5, 1), (1, 4)]
POOLS = [(2, 2), (3, 3), (2, 4), (4, 5), (1, 1)]
STEPS = [(1, 1), (2, 2), (3, 1), (1, 3), (4, 2)]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("size", SIZES)
def test_same_padding_counts_only_what_is_inside(size, pool, steps):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    for kind, reduce in ((layers.MaxPooling2D, np.max), (layers.AveragePooling2D, np.mean)):
        ours = kind(pool, steps, padding="same")(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(ours, pooled(x, pool, steps, reduce), rtol=1e-5, atol=1e-6)


def test_channels_first_images_give_the_same_values():
    x = torch.randn(2, 7, 6, 3)
    last = layers.AveragePooling2D(3, 2, padding="same")(x)
    first = layers.AveragePooling2D(3, 2, padding="same", data_format="channels_first")
    torch.testing.assert_close(first(x.movedim(-1, 1)).movedim(1, -1), last)


def test_the_strides_are_the_pool_size_unless_given():
    assert layers.MaxPooling3D((2, 3, 1)).strides == (2, 3, 1)
    assert layers.MaxPooling1D(3, strides=1).strides == (1,)


def test_global_pooling_can_keep_the_axes():
    x = torch.randn(2, 5, 3)
    kept = layers.GlobalMaxPooling1D(keepdims=True)(x)
    assert kept.shape == (2, 1, 3)
    torch.testing.assert_close(kept[:, 0], layers.GlobalMaxPooling1D()(x))

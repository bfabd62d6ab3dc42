"""Small data sets to try things on: `fashion_mnist` (downloaded once), `digits` (bundled)."""

from epochal.datasets import digits, fashion_mnist

__all__ = ["digits", "fashion_mnist"]

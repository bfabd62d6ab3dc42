"""The version of this package: files name it, which import nothing above them for that."""

__all__ = ["__version__"]

__version__ = "0.1.0.dev0"

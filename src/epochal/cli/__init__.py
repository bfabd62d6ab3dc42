"""`python -m epochal ...`: what is done from a shell."""

from epochal.cli.main import main

__all__ = ["main"]

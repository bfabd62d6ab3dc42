"""What every test and every executed docstring starts from."""

import signal

import numpy as np
import pytest
import torch
from torch import nn

import epochal

# One thread: the models here are too small for more to help, and sums then add up in one order.
torch.set_num_threads(1)

# What a shell starts in the background ignores Ctrl-C, and so would all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_randomness():
    """Each test draws the same numbers, whichever tests ran before it."""
    epochal.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace):
    """The four imports that a docstring's example may leave out."""
    doctest_namespace.update(epochal=epochal, nn=nn, np=np, torch=torch)

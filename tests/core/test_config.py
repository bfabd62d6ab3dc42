"""Objects are rebuilt from their constructor's arguments, as JSON can hold them."""

import json
from typing import Any, Never

import numpy as np
import pytest
import torch

from epochal.core.config import Configurable, plain
from epochal.core.errors import UsageError


class Scale(Configurable):
    def __init__(self, factor: float = 2.0, *, inner: Any = None, **unknown: Never) -> None:
        self.factor = factor
        self.inner = inner
        self.seen = 0


def test_arguments_are_kept_and_nothing_else() -> None:
    scale = Scale(3.0, inner=Scale())
    assert scale.get_config() == {
        "factor": 3.0,
        "inner": {"class_name": "Scale", "config": {"factor": 2.0, "inner": None}},
    }
    assert Scale.from_config({"factor": 5}).factor == 5


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (None, None),
        (True, True),
        ((1, (2, "a")), [1, [2, "a"]]),
        ({"a": (1,)}, {"a": [1]}),
        (np.float32(0.5), 0.5),
        (np.arange(2), [0, 1]),
        (torch.tensor([1.5]), [1.5]),
        (torch.float32, "float32"),
        (np.float32, "float32"),
        (max, "max"),
        (len, "len"),
        (Scale(1.0), {"class_name": "Scale", "config": {"factor": 1.0, "inner": None}}),
    ],
)
def test_values_become_what_json_holds(value: Any, want: Any) -> None:
    assert json.loads(json.dumps(plain(value))) == want


def test_an_argument_that_is_not_kept_is_an_error_that_says_which() -> None:
    class Forgetful(Configurable):
        def __init__(self, factor: float, bias: float) -> None:
            self.factor = factor

    with pytest.raises(UsageError, match=r"Forgetful\.get_config: .* \['bias'\] are not kept"):
        Forgetful(1.0, 2.0).get_config()

"""Whatever is in the logs, what leaves is JSON."""

import json

import numpy as np
import torch

from epochal.remote import to_json


def strict(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_json_does_not_have_become_null_and_are_named():
    sent = strict(
        to_json(
            {
                "loss": float("nan"),
                "acc": np.float32("inf"),
                "f1": torch.tensor([0.5, float("-inf")]),
                "by": {"a": [1.0, float("nan")]},
            }
        )
    )
    assert sent == {
        "loss": None,
        "acc": None,
        "f1": [0.5, None],
        "by": {"a": [1.0, None]},
        "not_finite": {
            "loss": "NaN",
            "acc": "Infinity",
            "f1[1]": "-Infinity",
            "by.a[1]": "NaN",
        },
    }


def test_numpy_and_tensors_become_the_numbers_they_hold():
    values = {
        "float64": np.float64(0.1),
        "int": np.int64(2**60),
        "bool": np.bool_(True),
        "matrix": np.arange(4).reshape(2, 2),
        "scalar": torch.tensor(0.25, requires_grad=True),
        "half": torch.tensor([0.5], dtype=torch.bfloat16),
        "pair": (1, None),
        "text": "ü",
        3: 4,
    }
    assert strict(to_json(values)) == {
        "float64": 0.1,
        "int": 2**60,
        "bool": True,
        "matrix": [[0, 1], [2, 3]],
        "scalar": 0.25,
        "half": [0.5],
        "pair": [1, None],
        "text": "ü",
        "3": 4,
    }


def test_what_json_has_no_form_for_becomes_its_text():
    assert strict(
        to_json({"device": torch.device("cpu"), "when": np.datetime64("2024-05-01")})
    ) == {
        "device": "cpu",
        "when": "2024-05-01",
    }


def test_a_log_called_not_finite_keeps_its_value():
    assert strict(to_json({"not_finite": 1.0, "loss": float("nan")}))["not_finite"] == 1.0

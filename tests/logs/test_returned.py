"""What a user's own step returns is averaged, or stands, and is not changed later."""

from typing import Any

import numpy as np
import pytest
import torch

from epochal.core.errors import UsageTypeError
from epochal.logs import Logs, Returned
from epochal.metrics import Mean


def test_a_batchs_own_values_are_averaged_by_size_and_metrics_stand() -> None:
    logs = Returned(metrics=["acc"])
    logs.add({"loss": torch.tensor(1.0, requires_grad=True), "acc": torch.tensor(0.5)}, 1)
    early = logs.moment()
    logs.add({"loss": torch.tensor(4.0), "acc": torch.tensor(0.75)}, 2)
    late = logs.moment()
    assert logs.names == late.names == ("loss", "acc")
    assert [late.read(name) for name in late.names] == [3.0, 0.75]
    assert [early.read(name) for name in early.names] == [1.0, 0.5]
    assert [logs.read(name) for name in logs.names] == [3.0, 0.75]


@pytest.mark.parametrize(
    "number", [float, int, np.float32, np.float64, np.int64, torch.tensor, lambda v: np.full(1, v)]
)
def test_numbers_of_every_kind_are_averaged(number: Any) -> None:
    logs = Returned()
    logs.add({"loss": number(1)}, 1)
    logs.add({"loss": number(4)}, 2)
    assert logs.read("loss") == 3.0


def test_what_is_no_number_stands_as_it_came_last() -> None:
    logs = Returned()
    logs.add({"per_class": torch.tensor([1.0, 2.0]), "note": "warm"}, 4)
    logs.add({"per_class": torch.tensor([3.0, 4.0]), "note": "cold"}, 4)
    assert logs.read("per_class") == [3.0, 4.0]
    assert logs.read("note") == "cold"


def test_values_changed_in_place_later_stay_as_they_were() -> None:
    logs, loss, mean = Returned(["mean"]), torch.tensor(1.0), Mean()
    mean.update_state(2.0)
    logs.add({"loss": loss, "mean": mean.total}, 1)
    moment = logs.moment()
    loss.add_(5)
    mean.update_state(4.0)
    assert moment.read("loss") == 1.0
    assert moment.read("mean") == 2.0


def test_a_name_that_comes_late_counts_the_batches_it_came_with() -> None:
    logs = Returned()
    logs.add({"loss": 1.0}, 2)
    moment = logs.moment()
    logs.add({"loss": 1.0, "extra": 5.0}, 3)
    assert moment.names == ("loss",)
    assert logs.read("extra") == 5.0
    logs.close()
    assert logs.read("loss") == 1.0


def test_logs_of_the_default_step_may_be_returned() -> None:
    logs = Returned()
    logs.add(Logs(["loss"], lambda name: 2.0), 1)
    assert logs.read("loss") == 2.0


def test_anything_but_a_dict_is_an_error_that_says_what_to_return() -> None:
    with pytest.raises(UsageTypeError, match="returned a Tensor; return a dict of logs"):
        Returned().add(torch.tensor(1.0), 2)
    with pytest.raises(UsageTypeError, match="NoneType"):
        Returned().add(None, 2)

import json

import pytest

from epochal import optimizers
from epochal.core.errors import UsageError, UsageTypeError
from epochal.optimizers.schedules import CosineDecay

CLASSES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam"]
CLASSES += ["Adafactor", "Rprop"]


@pytest.mark.parametrize("name", CLASSES)
def test_an_optimizer_is_found_by_name_in_any_case(name):
    cls = getattr(optimizers, name)
    for spelt in (name, name.lower(), name.upper()):
        assert type(optimizers.get(spelt)) is cls
    assert type(optimizers.get(cls)) is cls


def test_an_instance_is_returned_as_it_is():
    optimizer = optimizers.Adam()
    assert optimizers.get(optimizer) is optimizer


def test_an_unknown_name_points_at_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'adam'"):
        optimizers.get("adamm")


@pytest.mark.parametrize("given", [None, 3, ["adam"]])
def test_what_is_no_optimizer_is_refused(given):
    with pytest.raises(UsageTypeError, match="an optimizer was given as"):
        optimizers.get(given)


@pytest.mark.parametrize("name", CLASSES)
def test_every_optimizer_survives_the_way_through_json(name):
    optimizer = getattr(optimizers, name)(0.125, clipnorm=2.0, use_ema=True, name="mine")
    config = json.loads(json.dumps(optimizers.serialize(optimizer)))
    again = optimizers.get(config)
    assert type(again) is type(optimizer)
    assert optimizers.serialize(again) == config
    assert again.learning_rate == 0.125
    assert again.clipnorm == 2.0
    assert again.name == "mine"


def test_a_schedule_survives_inside_of_its_optimizer():
    config = optimizers.serialize(optimizers.Adam(CosineDecay(0.5, 10)))
    again = optimizers.deserialize(json.loads(json.dumps(config)))
    assert again.learning_rate == 0.5
    with pytest.raises(UsageTypeError, match="CosineDecay"):
        again.learning_rate = 0.1


def test_the_config_of_a_set_rate_is_the_rate_as_it_is_now():
    optimizer = optimizers.Adam()
    optimizer.learning_rate = 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5

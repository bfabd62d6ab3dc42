"""`load_weights` where file and model differ: all of it said, nothing half-loaded, or what fits."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense
from epochal.models.formats.matching import LeftOut

ENDINGS = ("safetensors", "epochal", "keras", "weights.h5", "h5")


def network(units=4, head="head", more=()):
    layers = [Dense(units, input_dim=3, name="body"), Dense(1, name=head), *more]
    return epochal.Sequential(layers)


def written(path):
    model = network()
    if path.name.endswith((".safetensors", ".weights.h5")):
        model.save_weights(path)
    else:
        model.save(path)
    return model


def arrays(model):
    return [array.copy() for array in model.get_weights()]


@pytest.mark.parametrize("ending", ENDINGS)
def test_strictly_nothing_is_loaded_unless_everything_fits(tmp_path, ending):
    path = tmp_path / f"w.{ending}"
    written(path)
    other = network(units=5)
    before = arrays(other)
    with pytest.raises(UsageError, match="problems") as caught:
        other.load_weights(path)
    assert "(3, 5)" in str(caught.value) or "(5, 3)" in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(other), strict=True))
    with warnings.catch_warnings(action="error"):
        assert network().load_weights(path) == LeftOut()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("way", [{"strict": False}, {"skip_mismatch": True}])
def test_otherwise_what_fits_is_loaded_and_the_rest_is_said_once(tmp_path, ending, way):
    path = tmp_path / f"w.{ending}"
    model = written(path)
    other = network(more=[Dense(2, name="tail")])
    before = arrays(other)
    with pytest.warns(UserWarning, match="2 weights do not fit and were left out") as caught:
        left_out = other.load_weights(path, **way)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "tail" in str(caught[0].message)
    assert left_out
    assert len(left_out.missing) == 2
    assert (left_out.unexpected, left_out.misshaped) == ((), ())
    assert all(np.array_equal(a, b) for a, b in zip(arrays(other), arrays(model), strict=False))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(other)[4:], before[4:], strict=True))


def test_each_kind_of_mismatch_has_a_list_and_a_sentence_with_the_nearest_name(tmp_path):
    path = tmp_path / "w.safetensors"
    model, other = written(path), network(units=5, head="heads")
    bias = other.get_layer("heads").bias.clone()
    with pytest.raises(UsageError, match="no weight of the file fits the model"):
        other.load_weights(path, strict=False)
    other = network(head="heads")
    with pytest.warns(UserWarning, match="left out"):
        left_out = other.load_weights(path, strict=False)
    assert left_out.missing == ("heads.weight", "heads.bias")
    assert set(left_out.unexpected) == {"head.weight", "head.bias"}
    assert "the file lacks 'heads.bias' (nearest: 'head.bias')" in left_out.reasons
    assert torch.equal(other.get_layer("body").weight, model.get_layer("body").weight)
    wide = epochal.Sequential([Dense(4, input_dim=3, name="body"), Dense(2, name="head")])
    with pytest.warns(UserWarning, match=r"head\.bias has the shape \(1,\) in the file and \(2,\)"):
        assert wide.load_weights(path, skip_mismatch=True).misshaped == ("head.weight", "head.bias")
    assert bias.shape == (1,)
    with pytest.raises(UsageError, match="unknown argument 'stric': did you mean 'strict'"):
        wide.load_weights(path, stric=False)


def test_long_lists_are_cut_in_the_warning_and_whole_in_what_is_returned(tmp_path):
    path = tmp_path / "w.safetensors"
    odd = {f"odd.{number}": torch.ones(1) for number in range(200)}
    save_file({"weight": torch.ones(1, 1), "bias": torch.ones(1), **odd}, path)
    model = epochal.Model(nn.Linear(1, 1))
    with pytest.warns(UserWarning, match="and 180 more"):
        assert len(model.load_weights(path, strict=False).unexpected) == 200
    assert model.network.bias.item() == 1.0


def test_restoring_is_always_strict(tmp_path):
    path = tmp_path / "w.epochal"
    written(path)
    with pytest.raises(UsageError, match="lacks"):
        network(head="heads").restore(path)

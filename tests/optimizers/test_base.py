import pytest
import torch
from torch import nn

from epochal import optimizers
from epochal.core.errors import UsageError, UsageTypeError
from epochal.optimizers import SGD, Adam, Optimizer


def make_layer():
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0]]))
        layer.bias.fill_(0.5)
    return layer


def give_gradients(layer, weight=(3.0, 4.0), bias=0.0):
    layer.weight.grad = torch.tensor([list(weight)])
    layer.bias.grad = torch.tensor([bias])


def built(optimizer, after_update=None):
    layer = make_layer()
    optimizer.build(layer.named_parameters(), after_update)
    return layer, optimizer


def test_a_step_updates_the_weights_counts_and_clears_the_gradients():
    layer, optimizer = built(SGD(0.1))
    give_gradients(layer)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.7, -2.4]]))
    assert optimizer.iterations == 1
    assert layer.weight.grad is None
    assert layer.bias.grad is None


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad"])
def test_algorithms_with_a_fused_kernel_use_it(name):
    _, optimizer = built(optimizers.get(name))
    assert optimizer.torch_optimizer.param_groups[0]["fused"] is True


@pytest.mark.parametrize("name", ["rmsprop", "adadelta", "adamax", "nadam", "adafactor", "rprop"])
def test_algorithms_without_a_fused_kernel_update_all_weights_together(name):
    _, optimizer = built(optimizers.get(name))
    assert optimizer.torch_optimizer.param_groups[0]["foreach"] is True


def test_weights_that_no_kernel_takes_leave_the_choice_to_torch():
    for make in (SGD, optimizers.RMSprop):
        optimizer = make()
        optimizer.build([("w", nn.Parameter(torch.zeros(2, dtype=torch.complex64)))])
        group = optimizer.torch_optimizer.param_groups[0]
        assert group.get("fused") is None
        assert group["foreach"] is None


def test_a_plain_step_is_torchs_own():
    layer, optimizer = built(Adam())
    other = make_layer()
    own = torch.optim.Adam(other.parameters(), lr=0.001, eps=1e-7, fused=True)
    for _ in range(3):
        give_gradients(layer)
        give_gradients(other)
        optimizer.step()
        own.step()
    assert torch.equal(layer.weight, other.weight)


def test_a_weight_without_gradient_is_left_alone_even_by_weight_decay():
    for make in (SGD, Adam):
        layer, optimizer = built(make(0.1, weight_decay=0.5))
        layer.weight.grad = torch.tensor([[1.0, 1.0]])
        optimizer.step()
        assert layer.bias.item() == 0.5
        assert layer.weight[0, 0].item() != 1.0


def test_batches_without_any_gradient_are_survived():
    layer, optimizer = built(SGD(0.1, clipnorm=1.0, weight_decay=0.1, loss_scale_factor=2.0))
    optimizer.step()
    assert layer.bias.item() == 0.5


def test_short_gradients_keep_their_bits_through_clipping():
    for option in ("clipnorm", "global_clipnorm"):
        clipped, first = built(SGD(0.1, **{option: 7.3}))
        free, second = built(SGD(0.1))
        give_gradients(clipped, (0.1, 0.7), 0.3)
        give_gradients(free, (0.1, 0.7), 0.3)
        first.step()
        second.step()
        assert torch.equal(clipped.weight, free.weight)


@pytest.mark.parametrize("option", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_a_nan_gradient_is_never_hidden_by_clipping(option):
    layer, optimizer = built(SGD(0.1, **{option: 1.0}))
    give_gradients(layer, (float("nan"), 1.0))
    optimizer.step()
    assert bool(layer.weight.isnan().any())


def test_accumulation_updates_by_the_mean_of_the_batches():
    layer, optimizer = built(SGD(1.0, gradient_accumulation_steps=2))
    give_gradients(layer, (1.0, 0.0))
    optimizer.step()
    assert layer.weight.tolist() == [[1.0, -2.0]]
    assert optimizer.iterations == 0
    give_gradients(layer, (3.0, 0.0))
    optimizer.step()
    assert layer.weight.tolist() == [[-1.0, -2.0]]
    assert optimizer.iterations == 1


def test_accumulation_keeps_gradients_of_weights_that_only_some_batches_use():
    layer, optimizer = built(SGD(1.0, gradient_accumulation_steps=2))
    layer.bias.grad = torch.tensor([1.0])
    optimizer.step()
    layer.weight.grad = torch.tensor([[2.0, 2.0]])
    optimizer.step()
    assert layer.bias.item() == 0.0
    assert layer.weight.tolist() == [[0.0, -3.0]]


def test_accumulated_gradients_do_not_alias_those_of_the_next_batch():
    layer, optimizer = built(SGD(1.0, gradient_accumulation_steps=2))
    shared = torch.tensor([[1.0, 1.0]])
    layer.weight.grad = shared
    optimizer.step()
    shared.fill_(3.0)
    layer.weight.grad = shared
    optimizer.step()
    assert layer.weight.tolist() == [[-1.0, -4.0]]


def test_constraints_run_after_every_update_and_before_averages():
    layer = make_layer()
    calls = []

    def constrain():
        calls.append(1)
        with torch.no_grad():
            layer.weight.clamp_(min=0.0)

    optimizer = SGD(0.1, use_ema=True, gradient_accumulation_steps=2)
    optimizer.build(layer.named_parameters(), constrain)
    for _ in range(4):
        give_gradients(layer)
        optimizer.step()
    assert len(calls) == 2
    optimizer.finalize_weights()
    assert bool((layer.weight >= 0).all())


def test_overwriting_by_the_average_is_constrained_too():
    layer = make_layer()
    optimizer = SGD(0.1, use_ema=True, ema_overwrite_frequency=1)
    calls = []
    optimizer.build(layer.named_parameters(), lambda: calls.append(1))
    give_gradients(layer)
    optimizer.step()
    assert len(calls) == 2


def test_averages_swap_in_and_out_and_take_the_weights_place_at_the_end():
    layer, optimizer = built(SGD(1.0, use_ema=True, ema_momentum=0.5))
    optimizer.swap_average()
    optimizer.swap_average()
    for _ in range(2):
        give_gradients(layer, (1.0, 0.0))
        optimizer.step()
    assert layer.weight[0, 0].item() == -1.0
    optimizer.swap_average()
    assert layer.weight[0, 0].item() == -0.5
    optimizer.finalize_weights()
    optimizer.swap_average()
    assert layer.weight[0, 0].item() == -1.0
    optimizer.finalize_weights()
    assert layer.weight[0, 0].item() == -0.5


def test_without_averages_finalizing_does_nothing_and_swapping_is_an_error():
    layer, optimizer = built(SGD())
    optimizer.finalize_weights()
    assert layer.bias.item() == 0.5
    with pytest.raises(UsageError, match="use_ema=True"):
        optimizer.swap_average()


def test_the_loss_scale_cancels_out():
    _, optimizer = built(SGD(loss_scale_factor=8.0))
    assert optimizer.scale_loss(torch.tensor(2.0)).item() == 16.0
    assert SGD().scale_loss(torch.tensor(2.0)).item() == 2.0


def test_building_again_for_the_same_weights_changes_nothing():
    layer, optimizer = built(Adam())
    give_gradients(layer)
    optimizer.step()
    inner = optimizer.torch_optimizer
    optimizer.build(layer.named_parameters())
    assert optimizer.torch_optimizer is inner
    assert optimizer.iterations == 1


def test_building_for_other_weights_is_an_error_that_names_them():
    _, optimizer = built(Adam())
    with pytest.raises(UsageError, match="already optimizes 2 other weights"):
        optimizer.build(make_layer().named_parameters())


def test_a_model_without_weights_is_an_error():
    with pytest.raises(UsageError, match="no weights to optimize"):
        Adam().build([])


@pytest.mark.parametrize("use", ["step", "state_dict", "torch_optimizer"])
def test_using_an_optimizer_that_has_no_weights_says_how_it_gets_some(use):
    optimizer = Adam()
    with pytest.raises(UsageError, match=r"model\.fit gives it some"):
        getattr(optimizer, use)()


def test_an_optimizer_without_an_algorithm_says_so():
    with pytest.raises(NotImplementedError, match="no _make"):
        Optimizer().build(make_layer().named_parameters())


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "clipnorm and clipvalue are given"),
        ({"clipnorm": 0.0}, "clipnorm is 0.0; give a number above 0"),
        ({"loss_scale_factor": -1.0}, "loss_scale_factor is -1.0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"ema_momentum": 1.1}, "ema_momentum is 1.1"),
        ({"ema_overwrite_frequency": 0}, "ema_overwrite_frequency is 0"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps is 1"),
        ({"gradient_accumulation_steps": 2.5}, "gradient_accumulation_steps is 2.5"),
        ({"momentum": 1.5}, "momentum is 1.5"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_an_argument_out_of_range_is_an_error(arguments, hint):
    with pytest.raises(UsageError, match=hint):
        SGD(**arguments)


def test_all_wrong_arguments_are_reported_together():
    with pytest.raises(UsageError, match="2 problems"):
        SGD(clipnorm=-1.0, ema_momentum=2.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(beta_1=1.0),
        lambda: optimizers.Adamax(beta_2=-0.1),
        lambda: optimizers.Nadam(beta_2=2),
        lambda: optimizers.RMSprop(rho=1.5),
        lambda: optimizers.Adadelta(rho=1.5),
        lambda: optimizers.Adagrad(initial_accumulator_value=-1),
        lambda: optimizers.Adafactor(clip_threshold=0.5),
        lambda: optimizers.Adafactor(beta_2_decay=0.5),
        lambda: optimizers.Rprop(etas=(1.0, 2.0)),
        lambda: optimizers.Rprop(step_sizes=(1.0, 0.1)),
    ],
)
def test_an_algorithms_own_argument_out_of_range_is_an_error(make):
    with pytest.raises(UsageError, match=r"give|are"):
        make()


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("beta1", "did you mean 'beta_1'"),
        ("clip_norm", "did you mean 'clipnorm'"),
        ("lr", "say learning_rate"),
        ("decay", "InverseTimeDecay"),
    ],
)
def test_an_unknown_argument_names_the_right_one(argument, hint):
    with pytest.raises(UsageTypeError, match=hint):
        Adam(**{argument: 0.1})


def test_zero_gradients_leave_adafactor_finite():
    layer, optimizer = built(optimizers.Adafactor())
    give_gradients(layer, (0.0, 0.0), 0.0)
    optimizer.step()
    assert bool(torch.isfinite(layer.weight).all())


def test_rprop_follows_the_sign_of_the_gradients():
    layer, optimizer = built(optimizers.Rprop(0.5))
    give_gradients(layer, (1e-3, -1e3))
    optimizer.step()
    assert layer.weight.tolist() == [[0.5, -1.5]]


@pytest.mark.parametrize("nesterov", [False, True])
def test_weights_that_are_thawed_later_get_momentum_as_torch_gives_it(nesterov):
    x, y = torch.randn(16, 3), torch.randn(16, 1)
    nets = []
    for ours in (True, False):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
        net[0].requires_grad_(False)
        if ours:
            optimizer = SGD(0.1, momentum=0.9, nesterov=nesterov)
            optimizer.build(net.named_parameters())
        else:
            options = {"lr": 0.1, "momentum": 0.9, "nesterov": nesterov}
            optimizer = torch.optim.SGD(net.parameters(), **options, fused=False, foreach=False)
        for step in range(5):
            if step == 2:
                net[0].requires_grad_(True)
            net.zero_grad()
            nn.functional.mse_loss(net(x), y).backward()
            optimizer.step()
        nets.append(net)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other)

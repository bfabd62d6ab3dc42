"""`.epochal`: whole models around modules of anybody's."""

import functools
import json

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense, Dropout, Layer
from epochal.models import load_model
from epochal.models.formats import torch_objects
from epochal.storage import load_tensors, open_archive, save_tensors, write_archive

X = np.random.default_rng(1).normal(size=(24, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


@epochal.register("tests.Net")
class Net(nn.Module):
    def __init__(self, width, act="relu", *, sizes=(2, 3), norm=nn.BatchNorm1d, head=None):
        super().__init__()
        sizes = [*sizes]
        self.body = nn.Linear(3, width)
        self.norm = norm(width)
        self.head = head or nn.Linear(width, 1)
        self.act = getattr(torch, act)
        self.register_buffer("table", torch.arange(width) * 1.0, persistent=False)
        self.sizes = sizes

    def forward(self, x):
        return self.head(self.act(self.norm(self.body(x))) + 0 * self.table)


@epochal.register("tests.Own")
class Own(epochal.Model):
    def __init__(self, units=4):
        super().__init__()
        self.first = Dense(units, activation="relu")
        self.last = nn.LazyLinear(1)

    def call(self, x, training=False):
        return self.last(self.first(x))


@epochal.register("tests.loss")
def half(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean(-1) / 2


def stack():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Linear(4, 1))


MODELS = {
    "a registered module": lambda: epochal.Model(Net(5, head=nn.Linear(5, 1), norm=nn.LayerNorm)),
    "a registered subclass with lazy layers": Own,
    "modules of torch": lambda: epochal.Model(stack()),
    "a data parallel module": lambda: epochal.Model(nn.DataParallel(Net(4))),
    "a Sequential of layers": lambda: epochal.Sequential(
        [Dense(4, input_dim=3, activation="relu"), Dense(1)], name="net"
    ),
    "a Sequential of both": lambda: epochal.Sequential(
        [epochal.Input((3,)), nn.Linear(3, 4), nn.ReLU(), Dense(1), nn.Identity()]
    ),
    "a model in a Sequential": lambda: epochal.Sequential([epochal.Model(Net(4)), Dense(1)]),
}


def compile_by(model, **settings):
    model.compile(**{"optimizer": epochal.optimizers.Adam(0.01), "loss": "mse", **settings})
    return model


def state(model):
    optimizer = {} if model.optimizer is None else model.optimizer.state_dict()
    return {**model.state_dict(), **optimizer}


def same(one, other):
    one, other = state(one), state(other)
    assert set(one) == set(other)
    for name, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other[name]), name
            assert value.stride() == other[name].stride(), name
        else:
            assert value == other[name], name


def train(model, epochs=3):
    torch.manual_seed(3)
    model.fit(X, Y, epochs=epochs, batch_size=8, verbose=0)


@pytest.mark.parametrize("kind", MODELS)
def test_training_goes_on_bit_for_bit_after_loading(tmp_path, kind):
    model = compile_by(MODELS[kind](), metrics=["mae"])
    train(model)
    drawn = torch.get_rng_state()
    model.save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal")
    assert torch.equal(drawn, torch.get_rng_state())
    assert type(twin) is type(model)
    assert twin.metrics_names == model.metrics_names
    assert twin.layer_shapes() == model.layer_shapes()
    same(model, twin)
    for each in (model, twin):
        train(each, 1)  # three steps
    same(model, twin)
    assert not any("network" in n or n.startswith("module.") for n in state(twin))


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        epochal.optimizers.SGD(epochal.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
        epochal.optimizers.AdamW(0.01, use_ema=True, clipnorm=1.0),
        epochal.optimizers.Adam(0.01, gradient_accumulation_steps=2),
        torch.optim.RAdam,
        functools.partial(torch.optim.Adam, lr=0.01, betas=(0.8, 0.9)),
        epochal.optimizers.TorchOptimizer(torch.optim.ASGD, clipvalue=0.1),
    ],
    ids=[
        "by name",
        "schedule",
        "averages",
        "accumulation",
        "torch class",
        "partial",
        "torch, clipped",
    ],
)
def test_every_optimizer_goes_on_where_it_stood(tmp_path, optimizer):
    model = compile_by(MODELS["modules of torch"](), optimizer=optimizer)
    train(model, 1)
    model.save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal")
    for each in (model, twin):
        train(each, 1)
    same(model, twin)
    assert twin.optimizer.clipvalue == model.optimizer.clipvalue


def test_a_made_optimizer_of_torch_is_made_anew_for_the_loaded_weights(tmp_path):
    net = stack()
    made = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    model = compile_by(epochal.Model(net), optimizer=made)
    train(model, 1)
    model.save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal")
    for each in (model, twin):
        train(each, 1)
    same(model, twin)


def test_compile_settings_come_back(tmp_path):
    model = compile_by(
        MODELS["a registered module"](),
        loss=nn.SmoothL1Loss(beta=2.0),
        metrics=[half, epochal.metrics.MeanAbsoluteError(name="far")],
        steps_per_execution=3,
        mixed_precision="bfloat16",
        jit_compile=True,
    )
    model.save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal")
    assert twin._compiled.execution == model._compiled.execution
    assert twin.loss.beta == 2.0
    assert twin.metrics_names == ["loss", "half", "far"]
    scaled = compile_by(epochal.Model(stack()), mixed_precision="float16", loss=half)
    for auto in (True, False):
        scaled.compile("sgd", half, mixed_precision="float16", auto_scale_loss=auto)
        scaled.save(tmp_path / "s.epochal")
        assert load_model(tmp_path / "s.epochal").optimizer.scales_by_itself is auto
    assert not load_model(tmp_path / "m.epochal", compile=False).compiled


def test_what_cannot_be_described_of_compile_is_said_and_the_rest_comes_back(tmp_path):
    model = compile_by(epochal.Model(stack()), loss=lambda y, p: (y - p).abs().mean(-1))
    train(model, 1)
    with pytest.warns(UserWarning, match="no compile settings.*call restore") as caught:
        model.save(tmp_path / "m.epochal")
    assert caught[0].filename == __file__
    twin = load_model(tmp_path / "m.epochal")
    assert not twin.compiled
    again = compile_by(epochal.Model(stack()))
    again.restore(tmp_path / "m.epochal")
    same(model, again)
    for factory in (
        lambda weights: torch.optim.SGD(weights, lr=0.1),
        epochal.optimizers.TorchOptimizer(
            torch.optim.SGD, lambda o: torch.optim.lr_scheduler.StepLR(o, 3)
        ),
    ):
        with pytest.warns(UserWarning, match="cannot be described"):
            compile_by(epochal.Model(stack()), optimizer=factory).save(tmp_path / "m.epochal")


def test_a_class_that_nobody_registered_is_refused_with_what_to_do(tmp_path):
    class Hidden(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layer = nn.Linear(3, width)

    model = epochal.Model(nn.Sequential(nn.ReLU(), Hidden(2)))
    with pytest.raises(UsageError) as caught:
        model.save(tmp_path / "m.epochal")
    for part in ("1 (a Hidden)", '@epochal.register("Hidden")', "get_config", "save_weights(path)"):
        assert part in str(caught.value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="register"):
        model.check_path(tmp_path / "m.epochal")


def test_custom_objects_give_classes_that_are_not_registered_and_win_over_those_that_are(tmp_path):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x):
            return self.layer(x)

    class Told(Plain):
        def __init__(self, scale):
            super().__init__()
            self.scale = scale

        def get_config(self):
            return {"scale": self.scale}

    class Other(Told):
        @classmethod
        def from_config(cls, config):
            return cls(config["scale"] * 2)

    for module, given in ((Plain(), Plain), (Told(3), Other)):
        model, name = epochal.Model(module), type(module).__name__
        model.save(tmp_path / "m.epochal")
        with pytest.raises(UsageError, match=f"names '{name}', and no file can bring its code"):
            load_model(tmp_path / "m.epochal")
        twin = load_model(tmp_path / "m.epochal", custom_objects={name: given})
        assert type(twin.network) is given
        assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
    assert twin.network.scale == 6


def test_arguments_are_noted_as_they_were_given(tmp_path):
    sizes = [1, (2, float("inf"))]
    net = Net(2, sizes=sizes)
    sizes.append(3)
    epochal.Model(net).save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal").network
    assert twin.sizes == [1, (2, float("inf"))]
    assert torch.equal(twin.table, net.table)
    assert not any(t.is_meta for t in (*twin.parameters(), *twin.buffers()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"head": nn.Linear(2, 1), "sizes": [torch.ones(1)]}, r"\[0\] is a Tensor"),
        ({"norm": type("Norm", (nn.LayerNorm,), {})}, "is Norm, which no file can name"),
        ({"norm": lambda width: nn.LayerNorm(width)}, "no file can name"),
        ({"sizes": {"$odd": 1}}, "begins with"),
    ],
)  # fmt: skip
def test_an_argument_that_no_file_can_hold_is_named(tmp_path, arguments, said):
    with pytest.raises(UsageError, match=said) as caught:
        epochal.Model(Net(2, **arguments)).save(tmp_path / "m.epochal")
    assert "save_weights" in str(caught.value) or "choose another" in str(caught.value)


def test_frozen_tied_and_half_precision_weights_are_so_again(tmp_path):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    net[1].weight = net[0].weight
    net[2] = net[3]  # one module at two places
    net = nn.Sequential(*net[:2], nn.Linear(3, 1), nn.Identity()).bfloat16()
    net[1].requires_grad_(False)
    epochal.Model(net).save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal").network
    assert twin[0].weight is twin[1].weight
    assert twin[0].bias.dtype == torch.bfloat16
    assert [p.requires_grad for p in twin.parameters()] == [
        p.requires_grad for p in net.parameters()
    ]
    shared = nn.Linear(3, 3)
    epochal.Model(nn.Sequential(shared, nn.ReLU(), shared)).save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal").network
    assert twin[0] is twin[2]


def test_kernels_keep_the_layout_that_their_convolution_wants(tmp_path):
    model = epochal.Sequential([epochal.layers.Conv2D(4, 3, input_shape=(6, 6, 3))])
    model.save(tmp_path / "m.epochal")
    same(model, load_model(tmp_path / "m.epochal"))
    net = epochal.Model(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last))
    net.save(tmp_path / "m.epochal")
    picture = torch.rand(1, 3, 5, 5)
    twin = load_model(tmp_path / "m.epochal")
    assert torch.allclose(twin.network(picture), net.network(picture))


def test_what_is_deep_in_a_model_is_described_too(tmp_path):
    @epochal.register("tests.Around")
    class Around(nn.Module):
        def __init__(self, parts, kind, dtype=torch.float32, named=None):
            super().__init__()
            self.parts = nn.ModuleList(parts)
            self.last = kind(3)
            self.dtype, self.named = dtype, named

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return self.last(x)

    inner = epochal.Sequential([Dense(3, input_dim=3)], name="inner")
    module = Around([nn.Linear(3, 3), inner], nn.LayerNorm, torch.float64, {"a": [1, (2,)]})
    model = epochal.Model(module)
    model.save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal")
    assert (twin.network.dtype, twin.network.named) == (torch.float64, {"a": [1, (2,)]})
    assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()


def test_averages_that_stand_in_the_weights_place_do_so_again(tmp_path):
    model = compile_by(epochal.Model(stack()), optimizer=epochal.optimizers.SGD(0.1, use_ema=True))
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    raw = model.state_dict()["0.weight"].clone()
    model.optimizer.swap_average()
    model.save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal")
    assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
    twin.optimizer.swap_average()
    assert torch.equal(twin.state_dict()["0.weight"], raw)


def test_layers_of_ones_own_and_dropout_load_in_a_stack(tmp_path):
    @epochal.register("tests.Tripled")
    class Tripled(Layer):
        def __init__(self, factor=2.0, **keywords):
            super().__init__(**keywords)
            self.factor = factor

        def forward(self, inputs):
            return inputs * self.factor

    for ending in ("epochal", "keras"):
        model = epochal.Sequential([Dense(1, input_dim=3), Tripled(3.0), Dropout(0.5)])
        model.save(tmp_path / f"m.{ending}")
        twin = load_model(tmp_path / f"m.{ending}")
        assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()


def test_a_file_of_optimizer_state_with_prefixes_is_restored_all_the_same(tmp_path):
    model = compile_by(epochal.Model(stack()))
    train(model, 1)
    model.save(tmp_path / "m.safetensors")
    tensors, notes = load_tensors(tmp_path / "m.safetensors")
    numbers = json.loads(notes["optimizer"])
    numbers = {k.replace("elements/", "elements/module."): v for k, v in numbers.items()}
    wrapped = {
        f"optimizer/{name.split('/')[1]}/module.{name.split('/')[2]}"
        if name.startswith("optimizer/") else f"module.{name}": tensor
        for name, tensor in tensors.items()
    }  # fmt: skip
    notes["optimizer"] = json.dumps(numbers)
    save_tensors(tmp_path / "w.safetensors", wrapped, notes)
    twin = compile_by(epochal.Model(stack()))
    twin.restore(tmp_path / "w.safetensors")
    same(model, twin)


def test_weights_alone_are_read_from_it_and_not_written_to_it(tmp_path):
    model, twin = epochal.Model(stack()), epochal.Model(nn.DataParallel(stack()))
    model.save(tmp_path / "m.epochal")
    twin.load_weights(tmp_path / "m.epochal")
    assert torch.equal(twin.state_dict()["0.weight"], model.state_dict()["0.weight"])
    for call in (model.save_weights, lambda path: model.check_path(path, weights_only=True)):
        with pytest.raises(UsageError, match="holds a whole model: use save"):
            call(tmp_path / "w.epochal")


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = compile_by(epochal.Model(stack()))
    for name in "ab":
        model.save(tmp_path / f"{name}.epochal")
    assert (tmp_path / "a.epochal").read_bytes() == (tmp_path / "b.epochal").read_bytes()


def members(path):
    with open_archive(path) as archive:
        return {name: archive.read(name) for name in archive.names}


def changed(path, change):
    """Write the description of a file anew."""
    parts = members(path)
    about = json.loads(parts["epochal.json"])
    change(about)
    write_archive(path, {**parts, "epochal.json": json.dumps(about).encode()})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "torch", "class_name": "torch.nn.Transformer", "config": {}}, "which is none"),
        ({"kind": "torch", "class_name": "os.system", "config": {"command": "x"}}, "which is none"),
        ({"kind": "own", "class_name": "builtins.eval", "config": {}}, "can bring its code"),
        ({"kind": "own", "class_name": "tests.loss", "config": {}}, "cannot be made"),
        ({"kind": "torch", "class_name": "torch.nn.Sequential", "modules": [["../x.y", None]]},
         "cannot be made"),
        ({"kind": "same", "as": 0}, "lies in itself"),
        ({"kind": "odd"}, "which is none"),
        ({"kind": "torch", "class_name": "torch.nn.Linear",
          "config": {"in_features": 2**40, "out_features": 2**10}}, "has the shape"),
        ([], "cannot be made"),
    ],
)  # fmt: skip
def test_a_description_can_name_nothing_but_what_is_known(tmp_path, entry, said):
    path = tmp_path / "m.epochal"
    epochal.Model(nn.Linear(3, 1)).save(path)
    changed(path, lambda about: about["model"].update(module=entry))
    with pytest.raises(UsageError, match=said):
        load_model(path)


def test_a_newer_format_a_huge_input_and_a_missing_part_are_refused(tmp_path):
    path = tmp_path / "m.epochal"
    model = compile_by(Own())
    train(model, 1)
    model.save(path)
    whole = path.read_bytes()
    changed(path, lambda about: about["inputs"].update(shape=[1, 2**40]))
    with pytest.raises(UsageError, match="is said to have 1,099,511,627,776 numbers"):
        load_model(path)
    path.write_bytes(whole)
    changed(path, lambda about: about.update(format=2))
    with pytest.raises(UsageError, match=r"has format 2.*use a newer one"):
        load_model(path)
    write_archive(path, {"epochal.json": b"{}"})
    with pytest.raises(UsageError, match=r"lacks epochal\.json or weights"):
        load_model(path)


def test_a_changed_bit_is_noticed(tmp_path):
    path = tmp_path / "m.epochal"
    epochal.Model(nn.Linear(3, 1)).save(path)
    whole = bytearray(path.read_bytes())
    for at in (whole.find(b"weights.safetensors") + 600, whole.find(b'"format"') + 3):
        data = whole.copy()
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"damaged|disagree"):
            load_model(path)


EXAMPLES = {
    "Linear": (3, 2, False), "Bilinear": (3, 2, 2), "Conv1d": (2, 4, 3, 2, 1), "Flatten": (2,),
    "Conv2d": (2, 4, (1, 3), 1, "same", 2, 2, False, "reflect"), "Conv3d": (1, 2, 3),
    "ConvTranspose1d": (4, 2, 3, 2, 1, 1, 2, False, 2), "ConvTranspose2d": (2, 2, 2),
    "ConvTranspose3d": (2, 2, 2), "BatchNorm1d": (3, 1e-3, 0.2, False), "BatchNorm2d": (3,),
    "BatchNorm3d": (3, 1e-5, 0.1, True, False), "InstanceNorm1d": (3,), "InstanceNorm2d": (3,),
    "InstanceNorm3d": (3, 1e-5, 0.1, True, True), "LayerNorm": ((2, 3), 1e-3, True, False),
    "RMSNorm": (3,), "GroupNorm": (2, 4, 1e-3, False), "Embedding": (5, 2, 1), "GRU": (2, 3),
    "LSTM": (2, 4, 2, False, True, 0.1, True, 2), "MaxPool1d": (2,), "MaxPool2d": (2, 1, 1),
    "MaxPool3d": (2,), "AvgPool1d": (2,), "AvgPool2d": (2, 1, 0, True, False, 3), "AvgPool3d": (2,),
    "AdaptiveAvgPool1d": (2,), "AdaptiveAvgPool2d": ((1, None),), "AdaptiveAvgPool3d": (2,),
    "AdaptiveMaxPool1d": (2,), "AdaptiveMaxPool2d": (2,), "AdaptiveMaxPool3d": (2,),
    "ZeroPad1d": (1,), "ZeroPad2d": ((1, 2, 3, 4),), "ZeroPad3d": (1,), "PixelShuffle": (2,),
    "Upsample": (None, 2.0, "bilinear", True), "PixelUnshuffle": (2,), "PReLU": (3,),
    "Threshold": (0.1, 20.0), "Hardtanh": (-2.0, 3.0), "GELU": ("tanh",), "ELU": (0.5, True),
    "LeakyReLU": (0.3,), "Softmax": (1,), "Softplus": (2.0, 10.0), "Dropout": (0.25,),
    "RNN": (2, 3, 1, "relu", True, True),
}  # fmt: skip


@pytest.mark.parametrize("name", torch_objects.MODULES)
def test_each_of_torchs_modules_is_made_again_as_it_was(name):
    kind = torch_objects.MODULES[name]
    module = kind(*EXAMPLES.get(kind.__name__, ()))
    twin = kind(**torch_objects.arguments(module))
    assert repr(twin) == repr(module)
    shapes = [{key: value.shape for key, value in m.state_dict().items()} for m in (module, twin)]
    assert shapes[0] == shapes[1]
    plain = (bool, int, float, str, tuple, list, type(None))
    kept = {k: v for k, v in vars(module).items() if isinstance(v, plain) and k[0] != "_"}
    assert {key: vars(twin)[key] for key in kept} == kept


def test_registering_is_explicit_and_a_name_means_one_thing():
    with pytest.raises(UsageError, match=r'write @epochal\.register\("Net"\)'):
        epochal.register(Net)
    with pytest.raises(UsageError, match="unknown argument 'nam'"):
        epochal.register("x", nam=1)
    for name in ("", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="is no name"):
            epochal.register(name)
    for name in ("Sequential", "torch.nn.Linear"):
        with pytest.raises(UsageError, match="name of epochal's own"):
            epochal.register(name)(Net)
    with pytest.raises(UsageError, match=r"is .*Net already; choose"):
        epochal.register("tests.Net")(Own)
    with pytest.raises(UsageError, match="give a class or a function"):
        epochal.register("tests.number")(3)

    def define():
        @epochal.register("tests.Again")
        class Again(nn.Module):
            pass

        return Again

    assert define() is not define()  # as a cell of a notebook run twice


def test_a_subclass_is_described_by_its_own_arguments_alone(tmp_path):
    class Wide(Net):
        def __init__(self):
            super().__init__(width=7)

    epochal.Model(Wide()).save(tmp_path / "m.epochal")
    twin = load_model(tmp_path / "m.epochal", custom_objects={"Wide": Wide})
    assert twin.network.body.out_features == 7
    with pytest.raises(TypeError, match="width"):
        Net()

    class Late(nn.Module):
        def __init__(self, width):
            super().__init__()

    late = Late(3)
    epochal.register("tests.Late")(Late)
    with pytest.raises(UsageError, match="made before its class was registered"):
        epochal.Model(late).save(tmp_path / "m.epochal")

    @epochal.register("tests.Positions")
    class Positions(nn.Module):
        def __init__(self, *sizes):
            super().__init__()

    with pytest.raises(UsageError, match="'sizes' is a tuple, which no description can hold"):
        epochal.Model(Positions(1)).save(tmp_path / "m.epochal")

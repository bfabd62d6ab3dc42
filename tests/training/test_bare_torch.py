"""What people of plain torch bring along: their modules' outputs, their batches, their habits."""

import dataclasses
import pickle
import re
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset

import epochal
from epochal.core.errors import UsageError

X = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1, keepdim=True) > 0).float()


@dataclasses.dataclass
class Out:
    logits: torch.Tensor
    hidden: torch.Tensor
    attentions: torch.Tensor | None = None


class Attributes(dict):
    """A mapping whose values are attributes too, as outputs of Hugging Face's models are."""

    def __getattr__(self, name):
        return self[name]


class Net(nn.Module):
    def __init__(self, form):
        super().__init__()
        torch.manual_seed(1)
        self.layer, self.form = nn.Linear(4, 1), form

    def forward(self, x):
        logits = self.layer(x)
        return self.form(logits=logits, hidden=x * 2)


def fitted(module, data, loss, epochs=2, metrics=None, **arguments):
    model = epochal.Model(module)
    model.compile(partial(torch.optim.SGD, lr=0.1), loss, metrics=metrics)
    return model, model.fit(data, epochs=epochs, verbose=0, **arguments).history


def by_hand(module, loader, loss, epochs=2):
    """Return each epoch's mean loss, every batch weighted by its targets."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    means = []
    for _ in range(epochs):
        total, rows = 0.0, 0
        for x, y in loader:
            value = loss(module(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total, rows = total + value.item() * len(y), rows + len(y)
        means.append(total / rows)
    return means


LOADER = DataLoader(TensorDataset(X, Y), 8)
FORMS = pytest.mark.parametrize("form", [Out, Attributes], ids=["dataclass", "attributes"])


@FORMS
def test_a_loss_of_the_users_own_gets_the_models_output_as_the_model_returned_it(form):
    def loss(y_true, out):
        return F.binary_cross_entropy_with_logits(out.logits, y_true)

    _, history = fitted(Net(form), LOADER, loss)
    wanted = by_hand(
        Net(form), LOADER, lambda out, y: F.binary_cross_entropy_with_logits(out.logits, y)
    )
    assert history["loss"] == pytest.approx(wanted, rel=1e-6)


@FORMS
def test_losses_and_metrics_find_their_outputs_by_field(form):
    model, history = fitted(
        Net(form), (X), {"logits": nn.BCEWithLogitsLoss()}, metrics={"logits": ["mae"]}, y=Y
    )
    assert list(history) == ["loss", "logits_mae"]
    found = model.predict(X, verbose=0)
    logits = found.logits if form is Out else found["logits"]
    assert logits.shape == (20, 1)
    assert found.attentions is None if form is Out else "attentions" not in found


def test_one_loss_for_several_outputs_says_how_to_name_one():
    with pytest.raises(UsageError, match=r"Out of 2 \('logits', 'hidden'\).*mse_loss compares one"):
        fitted(Net(Out), LOADER, nn.MSELoss())
    with pytest.raises(UsageError, match=r"as in loss=\{'logits': \.\.\.\}"):
        fitted(Net(dict), LOADER, "mse")
    with pytest.raises(UsageError, match=r"as in loss=\[\.\.\., None\]"):
        fitted(Net(lambda logits, hidden: (logits, hidden)), LOADER, "mse")


@pytest.mark.parametrize(
    ("form", "how"),
    [(Attributes, r"y_pred\['loss'\]"), (lambda **parts: Both(**parts), r"y_pred\.loss")],
)
def test_a_model_that_returns_its_loss_is_told_how_to_train_on_it(form, how):
    def with_loss(logits, hidden):
        return form(loss=logits.mean(), logits=logits)

    with pytest.raises(UsageError, match=f"no loss is given.*{how}"):
        fitted(Net(with_loss), LOADER, None)
    with pytest.raises(UsageError, match=f"there are no targets.*{how}"):
        fitted(Net(with_loss), [(X,)], "mse")


@dataclasses.dataclass
class Both:
    loss: torch.Tensor
    logits: torch.Tensor


def test_a_batch_may_be_a_dataclass():
    @dataclasses.dataclass
    class Inputs:
        a: torch.Tensor
        b: torch.Tensor

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, batch):
            return self.layer(batch.a + batch.b)

    _, history = fitted(Sum(), [(Inputs(X, X), Y), (Inputs(X, X), Y)], nn.MSELoss())
    assert len(history["loss"]) == 2


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.cell, self.head = nn.GRU(4, 3), nn.Linear(3, 1)

    def forward(self, packed):
        return self.head(self.cell(packed)[1][-1])


def test_packed_sequences_count_as_many_rows_as_they_have_sequences():
    sequences = [torch.randn(1 + i % 5, 4) for i in range(10)]

    def collate(rows):
        packed = pack_sequence([sequences[i] for i in rows], enforce_sorted=False)
        return packed, torch.tensor([[float(i)] for i in rows])

    loader = DataLoader(range(10), 4, collate_fn=collate)
    model, history = fitted(Recurrent(), loader, nn.MSELoss())
    assert history["loss"] == pytest.approx(by_hand(Recurrent(), loader, F.mse_loss), rel=1e-6)
    assert model.predict(loader, verbose=0).shape == (10, 1)
    assert model.predict([(collate([1, 2])[0],)], verbose=0).shape == (2, 1)
    shown = []
    model.summary(print_fn=shown.append)
    assert "head (Linear)" in shown[0]  # though no zeros make a packed sequence


def test_a_batchs_loss_counts_by_its_targets():
    class Pool(nn.Module):
        """Rows of several graphs in one tensor, and which graph each belongs to."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.layer = nn.Linear(4, 1)

        def forward(self, batch):
            nodes, graph = batch
            return torch.zeros(int(graph.max()) + 1, 1).index_add(0, graph, self.layer(nodes))

    batches = [
        ((X[:9], torch.tensor([0] * 8 + [1])), Y[:2]),
        ((X[9:12], torch.tensor([0, 1, 2])), Y[2:5]),
    ]
    _, history = fitted(Pool(), batches, nn.MSELoss())
    assert history["loss"] == pytest.approx(by_hand(Pool(), batches, F.mse_loss), rel=1e-6)


def test_rows_without_a_batch_around_them_are_refused():
    loader = DataLoader(TensorDataset(X, Y[:, 0]), batch_size=None)
    with pytest.raises(UsageError, match=r"targets are a single number.*batch_size=None"):
        fitted(nn.Linear(4, 1), loader, nn.MSELoss())


def test_a_loss_that_reaches_no_trainable_weight_says_what_may_be_the_matter():
    frozen = nn.Linear(4, 1).requires_grad_(False)
    with pytest.raises(UsageError, match="no weight of the model is trainable"):
        fitted(frozen, LOADER, nn.MSELoss())
    with pytest.raises(UsageError, match="does not depend on the model's trainable weights"):
        fitted(nn.Linear(4, 1), LOADER, lambda y_true, y_pred: (y_true - y_pred.detach()).mean())


def test_a_model_that_returns_its_loss_alone_can_be_trained():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x):
            return self.layer(x).square().mean()

    _, history = fitted(Own(), LOADER, lambda y_true, value: value)
    assert history["loss"][1] < history["loss"][0]


def test_a_step_of_ones_own_may_clear_gradients_as_in_a_loop():
    class Own(epochal.Model):
        def train_step(self, data):
            x, y = data
            self.optimizer.zero_grad()
            loss = F.mse_loss(self(x), y)
            loss.backward()
            self.optimizer.step()
            return {"loss": loss}

    torch.manual_seed(1)
    model = Own(nn.Linear(4, 1))
    model.compile(partial(torch.optim.SGD, lr=0.1))
    history = model.fit(LOADER, epochs=2, verbose=0).history
    torch.manual_seed(1)
    wanted = by_hand(nn.Linear(4, 1), LOADER, F.mse_loss)
    assert history["loss"] == pytest.approx(wanted, rel=1e-6)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, y_pred, y_true):
        return self.scale * (y_pred - y_true).square().mean()


def test_a_loss_with_weights_that_nobody_would_train_is_refused():
    with pytest.raises(UsageError, match=r"the loss scaled has trainable weights \(scale\)"):
        fitted(nn.Linear(4, 1), LOADER, Scaled())
    fitted(nn.Linear(4, 1), LOADER, Scaled().requires_grad_(False))

    class WithLoss(epochal.Model):
        def __init__(self):
            super().__init__()
            self.layer, self.criterion = nn.Linear(4, 1), Scaled()

        def forward(self, x):
            return self.layer(x)

    model = WithLoss()
    model.compile("sgd", model.criterion)
    model.fit(LOADER, verbose=0)
    assert model.criterion.scale != 2.0


@pytest.mark.parametrize(
    ("module", "x", "hint"),
    [
        (nn.Linear(4, 1).double(), X.double(), r"module\.float\(\)"),
        (nn.Linear(4, 1), X.long(), "weights are float32; where inputs of int64 meet them"),
        (nn.Linear(4, 1), {"x": X, "y": Y}, r"the dict of \['x', 'y'\] as it is.*\(inputs, targ"),
        (nn.Linear(5, 1), X, "nothing has been changed$"),
        (nn.Flatten(7), X, "nothing has been changed$"),
    ],
)
def test_inputs_that_forward_does_not_take_are_told_with_what_may_be_wrong(module, x, hint):
    model = epochal.Model(module)
    model.compile("sgd" if list(module.parameters()) else None, "mse")
    with pytest.raises((RuntimeError, TypeError, IndexError)) as caught:
        model.evaluate(DataLoader(TensorDataset(x, Y), 8) if x is X else [(x, Y)], verbose=0)
    assert re.search(hint, caught.value.__notes__[0])


def test_batches_that_a_loader_made_before_are_batches():
    batches = list(LOADER)
    _, history = fitted(nn.Linear(4, 1), batches, nn.MSELoss(), validation_data=batches)
    assert len(history["val_loss"]) == 2

    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, pairs):
            return sum(self.layer(a - b) for a, b in pairs)

    model = epochal.Model(Nested())
    model.compile("sgd", "mse")
    model.fit([[X, X], [X, X]], Y, verbose=0)  # beside targets, a nest of inputs
    with pytest.raises(TypeError) as caught:
        fitted(nn.Linear(4, 1), tuple([X] * 30), "mse", y=Y)
    assert "30 tensors, of them first (2, 4)" in caught.value.__notes__[0]


@FORMS
def test_an_output_of_one_field_keeps_its_attributes_for_a_loss_of_the_users_own(form):
    def logits_alone(logits, hidden):
        return form(logits=logits) if form is Attributes else Logits(logits)

    _, history = fitted(
        Net(logits_alone), LOADER, lambda y_true, out: (y_true - out.logits).square()
    )
    assert history == fitted(Net(logits_alone), LOADER, "mse")[1]
    assert history == fitted(Net(lambda logits, hidden: {"a": logits}), LOADER, "mse")[1]


@dataclasses.dataclass
class Logits:
    logits: torch.Tensor


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)


class Open(ByName):
    def forward(self, ids, **more):
        return self.layer(ids + more["mask"])


class Rest(ByName):
    def forward(self, **batch):
        return self.layer(batch["ids"] + batch["mask"])


class KeywordOnly(ByName):
    def forward(self, *, ids, mask):
        return self.layer(ids + mask)


class Optional(ByName):
    def forward(self, ids=None, mask=None, labels=None):
        return self.layer(ids if mask is None else ids + mask)


class Whole(ByName):
    def forward(self, ids):
        return self.layer(ids["ids"] + ids["mask"])


@pytest.mark.parametrize("module", [Open, Rest, KeywordOnly, Optional, Whole])
def test_a_dict_reaches_forward_by_the_names_of_its_arguments(module):
    fitted(module(), [({"ids": X, "mask": X}, Y)], nn.MSELoss())


@pytest.mark.parametrize("module", [KeywordOnly, Optional])
def test_a_dict_with_names_that_forward_does_not_take_is_refused(module):
    with pytest.raises(UsageError, match=r"x has the keys \['ids', 'masc'\]: name them alike"):
        fitted(module(), [({"ids": X, "masc": X}, Y)], nn.MSELoss())


@pytest.mark.parametrize(
    "loss",
    [
        nn.BCEWithLogitsLoss(),
        F.binary_cross_entropy_with_logits,
        epochal.losses.BinaryCrossentropy(from_logits=True),
    ],
)
def test_the_accuracy_of_logits_is_parted_at_0(loss):
    class Same(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return x * self.scale

    logits, targets = torch.tensor([[-0.2], [0.2], [0.4], [3.0]]), torch.tensor([0, 1, 1, 0])
    model = epochal.Model(Same())
    model.compile("sgd", loss, metrics=["acc"])
    assert model.evaluate(logits, targets.float(), verbose=0)[1] == 0.75
    assert model.evaluate(logits, targets.float(), metrics=["accuracy"], verbose=0)[2] == 0.75


@pytest.mark.parametrize("form", [lambda y: y, lambda y: F.one_hot(y, 3).movedim(-1, 1).float()])
def test_the_accuracy_beside_torchs_cross_entropy_finds_the_classes_in_axis_1(form):
    pictures, classes = torch.rand(6, 3, 3, 5), torch.randint(3, (6, 3, 5))
    network = nn.Conv2d(3, 3, 1)
    model = epochal.Model(network)
    model.compile("sgd", nn.CrossEntropyLoss(), metrics=["acc"])
    wanted = (network(pictures).argmax(1) == classes).float().mean().item()
    found = model.evaluate(pictures, form(classes), batch_size=4, verbose=0)[1]
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("metric", "instead"),
    [
        ("auc", r"AUC\(from_logits=True\)"),
        ("precision", r"Precision\(thresholds=0.0\)"),
        (epochal.metrics.F1Score(), r"F1Score\(threshold=0.0\)"),
        (epochal.metrics.BinaryAccuracy(), r"BinaryAccuracy\(threshold=0.0\)"),
        ("binary_crossentropy", r"BinaryCrossentropy\(from_logits=True\)"),
        (epochal.metrics.BinaryIoU(), r"BinaryIoU\(threshold=0.0\)"),
    ],
)
def test_a_metric_of_probabilities_beside_a_loss_of_logits_says_what_to_write(metric, instead):
    with pytest.raises(UsageError, match=f"takes probabilities, .* logits: give {instead}"):
        fitted(nn.Linear(4, 1), LOADER, nn.BCEWithLogitsLoss(), metrics=[metric])
    written = eval("epochal.metrics." + instead.replace("\\", ""))
    fitted(nn.Linear(4, 1), LOADER, nn.BCEWithLogitsLoss(), metrics=[written, "mae"])


def test_the_best_of_several_logits_need_no_threshold():
    metric = epochal.metrics.Precision(top_k=1)
    fitted(nn.Linear(4, 1), LOADER, nn.BCEWithLogitsLoss(), metrics=[metric])


class Derived(ByName):
    def forward(self, x):
        x = x.requires_grad_(True)
        (slope,) = torch.autograd.grad(self.layer(x).square().sum(), x, create_graph=True)
        return slope


def test_a_forward_that_takes_derivatives_is_told_what_it_needs():
    class Enabled(Derived):
        def forward(self, x):
            with torch.enable_grad():
                return super().forward(x)

    with pytest.raises(RuntimeError) as caught:
        fitted(Derived(), X, "mse", y=X)
    assert "torch.enable_grad()" in caught.value.__notes__[0]
    _, history = fitted(Enabled(), X, "mse", y=X, validation_split=0.5)
    assert history["val_loss"][1] < history["val_loss"][0]


def test_more_outputs_in_training_than_in_evaluation_need_a_loss_of_ones_own():
    class Auxiliary(ByName):
        def forward(self, x):
            logits = self.layer(x)
            return (logits, logits) if self.training else logits

    with pytest.raises(UsageError, match="got a tuple of 2 where one tensor is expected"):
        fitted(Auxiliary(), LOADER, "mse")
    fitted(
        Auxiliary(), LOADER, lambda y, p: F.mse_loss(p if torch.is_tensor(p) else p[0] + p[1], y)
    )


def test_metrics_of_torchmetrics_take_the_labels_that_bce_wants_as_numbers():
    torchmetrics = pytest.importorskip("torchmetrics")
    score = torchmetrics.AveragePrecision("binary")
    model, _ = fitted(nn.Linear(4, 1), LOADER, nn.BCEWithLogitsLoss(), metrics=[score])
    found = model.evaluate(LOADER, verbose=0)[1]
    wanted = torchmetrics.AveragePrecision("binary")(
        torch.from_numpy(model.predict(X, verbose=0)), Y.long()
    )
    assert found == pytest.approx(wanted.item())
    error = torchmetrics.MeanSquaredError()
    _, history = fitted(nn.Linear(4, 1), LOADER, "mse", metrics=[error])
    assert history["mean_squared_error"] == pytest.approx(history["loss"], rel=1e-5)
    with pytest.raises(ValueError, match="int or long"):  # what torchmetrics says of soft labels
        fitted(
            nn.Linear(4, 1),
            [(X, Y * 0.9)],
            "mse",
            metrics=[torchmetrics.AveragePrecision("binary")],
        )


def test_a_model_that_was_trained_can_be_pickled_and_trained_on():
    model = epochal.Model(nn.Linear(4, 1))
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    twin = pickle.loads(pickle.dumps(model))
    for each in (model, twin):
        torch.manual_seed(2)
        each.fit(X, Y, epochs=2, verbose=0)
    assert (twin.get_weights()[0] == model.get_weights()[0]).all()


def test_a_loader_shuffles_as_it_does_in_a_loop_by_hand():
    rows = TensorDataset(torch.arange(12.0).reshape(12, 1), torch.zeros(12, 1))
    torch.manual_seed(5)
    by_hand = [x.flatten().tolist() for _ in range(2) for x, _ in DataLoader(rows, 4, shuffle=True)]
    seen = []

    class Notes(nn.Linear):
        def forward(self, x):
            if self.training:
                seen.append(x.flatten().tolist())
            return super().forward(x)

    model = epochal.Model(Notes(1, 1))
    model.compile("sgd", "mse")
    torch.manual_seed(5)
    model.fit(DataLoader(rows, 4, shuffle=True), epochs=2, verbose=0)
    assert seen == by_hand


def test_outputs_of_several_widths_are_an_error_of_predict():
    model = epochal.Model(nn.ReLU())
    with pytest.raises(UsageError, match=r"outputs of \(3,\) and of \(5,\) a row do not fit"):
        model.predict(iter([torch.zeros(2, 3), torch.zeros(2, 5)]))

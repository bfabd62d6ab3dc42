"""How batches reach a GPU, told by tensors that have a device and no values."""

import contextlib

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from epochal.data import ArrayFeed, IterableFeed, LoaderFeed
from epochal.data.transfer import Transfer

GPU = torch.device("cuda:0")


class Stream:
    def __init__(self, notes, name):
        self.notes, self.name = notes, name

    def wait_stream(self, other):
        self.notes.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def notes(monkeypatch):
    """What is asked of a GPU's streams, in order; there is none here, so they only take notes."""
    notes = []
    computing = Stream(notes, "computing")

    @contextlib.contextmanager
    def within(stream):
        notes.append(f"in {stream.name}")
        yield

    to = torch.Tensor.to

    def noted(tensor, *args, **keywords):
        if tensor.device.type == "cpu" and args[:1] == (GPU,):
            notes.append("sent" if keywords["non_blocking"] else "sent, waited for")
        return to(tensor, *args, **keywords)

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(notes, "sending"))
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.Tensor, "to", noted)
    monkeypatch.setattr(
        torch.Tensor,
        "record_stream",
        lambda tensor, stream: notes.append(f"kept for {stream.name}"),
    )
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield notes


SENT = ["in sending", "sent", "computing waits for sending", "kept for computing"]


def test_a_tensor_travels_beside_the_computation_which_waits_for_it(notes):
    assert Transfer(GPU)(torch.empty(2, 3)).device == GPU
    assert notes == SENT


def test_what_is_there_already_does_not_travel(notes):
    there = torch.empty(2, 3, device=GPU)
    assert Transfer(GPU)(there) is there
    assert Transfer(None)(there) is there
    assert notes == []


def test_memory_that_is_filled_again_is_read_before_the_next_batch(notes):
    feed = IterableFeed([(torch.empty(2, 3), torch.empty(2, 1))], device=GPU)
    (batch,) = feed.epoch(0)
    assert [part.device for part in batch[:2]] == [GPU, GPU]
    assert notes.count("sent, waited for") == 2
    assert "sent" not in notes


def test_batches_of_a_loader_travel_without_being_waited_for(notes):
    class Loader(torch.utils.data.DataLoader):
        def __iter__(self):  # its own draws a number, and there are none
            return iter([torch.empty(2, 3)])

    (batch,) = IterableFeed(Loader([0, 1], batch_size=2), device=GPU).epoch(0)
    assert batch[0].device == GPU
    assert notes == SENT


def test_a_loader_of_our_own_pins_for_a_gpu_alone(notes):
    arguments = {"batch_size": 2, "shuffle": False, "seed": 0}
    rows = [torch.empty(3), torch.empty(3)]
    assert LoaderFeed(rows, device=GPU, **arguments).source.pin_memory
    assert not LoaderFeed(rows, device=torch.device("cpu"), **arguments).source.pin_memory


def test_shuffled_rows_are_gathered_into_pinned_memory(notes, monkeypatch):
    made, empty = [], torch.empty

    def noted(*args, pin_memory=False, **keywords):
        made.append(pin_memory)
        return empty(*args, **keywords)

    rows = torch.empty(6, 3)
    monkeypatch.setattr(torch, "empty", noted)
    gathered = Transfer(GPU).gather(rows, torch.arange(4))
    assert (gathered.device, gathered.shape) == (GPU, (4, 3))
    assert made.count(True) == 1
    assert notes == SENT


def test_on_a_cpu_nothing_is_pinned_and_the_rows_are_the_same():
    rows = torch.arange(12.0).reshape(6, 2)
    feed = ArrayFeed(rows, None, None, batch_size=4, device=torch.device("cpu"))
    first = next(iter(feed.epoch(0)))[0]
    assert first.data_ptr() == rows.data_ptr()  # not even copied
    order = torch.tensor([5, 0])
    assert torch.equal(Transfer(torch.device("cpu")).gather(rows, order), rows[order])

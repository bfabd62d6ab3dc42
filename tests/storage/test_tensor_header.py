"""Headers of safetensors files that lie."""

import pytest
from hostile import tensors

from epochal.core.errors import UsageError
from epochal.storage.spans import open_span
from epochal.storage.stored_tensors import read_entries
from epochal.storage.tensor_header import read_header


@pytest.mark.parametrize("what", tensors.ATTACKS)
def test_a_header_that_lies_is_refused(what):
    data, words = tensors.ATTACKS[what]
    with open_span(data) as span, pytest.raises(UsageError, match=words):
        read_header(span)


def test_a_header_is_read_without_its_tensors():
    entry = tensors.entry((2, 3), (0, 12), "BF16")
    with open_span(tensors.make({"a": entry}, bytes(12))) as span:
        [found], notes = read_entries(span)
    assert (found.name, found.dtype, found.shape, found.nbytes) == ("a", "BF16", (2, 3), 12)
    assert notes == {}

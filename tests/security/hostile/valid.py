"""Valid files of each format, to start from."""

import io

import h5py
import numpy as np
import torch

from epochal.core.errors import UsageError

ENDINGS = (".keras", ".h5", ".weights.h5", ".safetensors", ".epochal")


def valid_files(folder):
    """Write a small trained model in each format there is; return the paths by ending."""
    from hostile.server import network

    torch.manual_seed(7)
    model = network()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"), verbose=0)
    found = {}
    for ending in ENDINGS:
        path = folder / f"valid{ending}"
        try:
            (model.save_weights if ending == ".weights.h5" else model.save)(path)
        except UsageError as error:
            if "use one of" not in str(error):
                raise
            continue
        found[ending] = path
    return found


def structures():
    """Return HDF5 with every structure that is read: heaps, indices, pieces, filters, text."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.attrs.update(text="ä" * 9, names=["a", "bb"], number=3, numbers=[1.0, 2.0])
        for number in range(60):
            file.create_group(f"dense/ä{number}")
            file.create_dataset(f"plain/a{number}", data=np.arange(3))
        file.create_group("few/ä")["x"] = np.ones((2, 2), "f4")
        file.create_dataset("pieces", data=np.eye(9), chunks=(2, 4), compression=3, shuffle=True)
        file.create_dataset("grows", data=np.arange(500), maxshape=(None,), chunks=(3,))
        file["flags"] = [True, False]
    return data.getvalue()

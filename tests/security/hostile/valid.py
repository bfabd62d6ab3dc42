"""Valid files of each format, to start from."""

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

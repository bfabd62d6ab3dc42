"""Models in files: one module a format; the ending of the path decides which.

`table.py` holds the list, and is where another format is added.
"""

from epochal.models.formats.table import (
    check_path,
    load_model,
    load_weights,
    restore,
    save_model,
    save_weights,
)

__all__ = ["check_path", "load_model", "load_weights", "restore", "save_model", "save_weights"]

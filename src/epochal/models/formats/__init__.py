"""Models in files: one module a format; the ending of the path decides which.

`table.py` holds the list, and is where another format is added.
"""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.models.formats.table import (
        check_path,
        load_model,
        load_weights,
        restore,
        save_model,
        save_weights,
    )

__all__ = ["check_path", "load_model", "load_weights", "restore", "save_model", "save_weights"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.models.formats.table": (
                "check_path load_model load_weights restore save_model save_weights"
            ),
        },
    )

"""What leaves the machine: events posted to a server beside training, never in its way."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.remote.endpoint import Endpoint, UndeliveredError
    from epochal.remote.json_text import to_json
    from epochal.remote.sender import Request, Sender

__all__ = ["Endpoint", "Request", "Sender", "UndeliveredError", "to_json"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.remote.endpoint": "Endpoint UndeliveredError",
            "epochal.remote.json_text": "to_json",
            "epochal.remote.sender": "Request Sender",
        },
    )

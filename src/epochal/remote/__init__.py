"""What leaves the machine: events posted to a server beside training, never in its way."""

from epochal.remote.endpoint import Endpoint, UndeliveredError
from epochal.remote.json_text import to_json
from epochal.remote.sender import Request, Sender

__all__ = ["Endpoint", "Request", "Sender", "UndeliveredError", "to_json"]

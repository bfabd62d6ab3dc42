"""Each epoch's logs, posted to a server of yours while training goes on."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, Never
from urllib.parse import urlencode

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.logs.values import set_aside
from epochal.remote import Endpoint, Request, Sender, to_json

__all__ = ["RemoteMonitor"]


class _Event(NamedTuple):
    sequence: int
    payload: Mapping[str, Any]


class RemoteMonitor(Callback):
    """Streams the logs of every epoch to a server, for a dashboard of your own.

    At the end of each epoch `{"epoch": 0, "loss": 0.5, ...}` (epochs count from 0) is posted to
    `root + path`: as JSON in one form field, or as the body itself. A thread of its own sends the
    events in order, so a server that is slow, dead or broken neither slows nor stops training.
    What got lost is told once, as a warning, and counted at the end.

    NaN and infinities, which JSON does not have, are sent as `null`, so that a column of numbers
    stays one; `"not_finite": {"loss": "NaN"}` beside them says which they were. NumPy values,
    tensors and vectors become numbers and lists; what JSON has no form for becomes its text.

    An event that was not taken is sent again, so one may arrive twice: its header
    `X-Epochal-Sequence` (1, 2, 3, ... over all fits of this object) tells, and a gap in it shows
    that events were dropped. Redirects are not followed. A password in `root` and the environment's
    proxies are used as usual. Nothing has to be installed for this.

    Args:
        root: Begin of the address, with `http://` or `https://`.
        path: The rest of it.
        field: The form field that holds the JSON.
        headers: Sent with every request (a token, say); they win over what is sent by default.
        send_as_json: Whether to send JSON as the body (`application/json`) instead of a form.
        timeout: Seconds for one attempt, from connecting to the answer's head.
        queue_size: Events that may wait; of more, the oldest is dropped.
        retries: How often an event is sent again, after pauses of 0.5, 1, 2, ... seconds that are
            at most 30. A request that the server says is wrong (most answers 4xx) is not repeated.
        flush_timeout: Seconds that the end of training, also by an exception, waits for events
            that are still under way.

    Raises:
        UsageError: If the address, a header or a number cannot be used.

    Example:
        >>> monitor = RemoteMonitor("https://runs.example.org", "/epochs", send_as_json=True,
        ...                         headers={"Authorization": "Bearer 123"})
        >>> monitor.address
        'https://runs.example.org/epochs'
    """

    state = ("sequence",)
    reads_all = True

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
        *,
        timeout: float = 5.0,
        queue_size: int = 1000,
        retries: int = 3,
        flush_timeout: float = 2.0,
        **unknown: Never,
    ) -> None:
        reject_unknown(RemoteMonitor.__init__, unknown)
        for name, text in {"root": root, "path": path, "field": field}.items():
            if not isinstance(text, str):
                raise UsageTypeError(f"RemoteMonitor: {name} is {text!r}; give text")
        for name, number, least in (("queue_size", queue_size, 1), ("retries", retries, 0)):
            if not isinstance(number, int) or number < least:
                raise UsageError(f"RemoteMonitor: {name} is {number!r}; give {least} or more")
        if not timeout > 0:
            raise UsageError(f"RemoteMonitor: timeout is {timeout!r}; give seconds above 0")
        if not flush_timeout >= 0:
            raise UsageError(f"RemoteMonitor: flush_timeout is {flush_timeout!r}; give seconds")
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json
        self.timeout = timeout
        self.queue_size = queue_size
        self.retries = retries
        self.flush_timeout = flush_timeout
        self.sequence = 0
        self._endpoint = Endpoint(root + path, headers or {}, who="RemoteMonitor")
        self._sender: Sender[_Event] | None = None
        self._warned = False

    @property
    def address(self) -> str:
        """Where events go, as it may be shown: without password and query."""
        return self._endpoint.shown

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the thread that sends."""
        self.close()
        self._start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Hand the epoch's logs to the thread."""
        sender = self._sender or self._start()
        # Copied here: arrays of the user's own may be changed in place before they are sent.
        values = {name: set_aside(value) for name, value in (logs or {}).items()}
        self.sequence += 1
        sender.put(_Event(self.sequence, {"epoch": epoch, **values}))
        if sender.lost and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._losses(sender)}. Training goes on; the final count follows at its end",
                stacklevel=2,
            )

    def on_train_end(self, logs: Any = None) -> None:
        """Send what is left, and end the thread."""
        self.close()

    def close(self) -> None:
        """Send what is left, for `flush_timeout` seconds at most; then tell of losses."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        sender.close(self.flush_timeout)
        if not sender.lost:
            return
        if self._warned:
            print(self._losses(sender))
        else:
            warnings.warn(self._losses(sender), stacklevel=2)

    def _start(self) -> Sender[_Event]:
        self._warned = False
        self._sender = Sender(
            self._endpoint,
            self._request,
            timeout=self.timeout,
            queue_size=self.queue_size,
            retries=self.retries,
        )
        return self._sender

    def _request(self, event: _Event) -> Request:
        text = to_json(event.payload)
        body = text if self.send_as_json else urlencode({self.field: text})
        kind = "json" if self.send_as_json else "x-www-form-urlencoded"
        return Request(
            body.encode(),
            {"Content-Type": f"application/{kind}", "X-Epochal-Sequence": str(event.sequence)},
        )

    def _losses(self, sender: Sender[_Event]) -> str:
        return (
            f"RemoteMonitor: {sender.lost} of {sender.accepted} events did not reach "
            f"{self.address}: {sender.reason}"
        )

"""A message to a chat when training has ended, or failed."""

import string
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, NamedTuple, Never

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name
from epochal.logs import LogNames
from epochal.remote import Endpoint, Request, Sender, to_json

__all__ = ["TrainingReport", "Webhook"]

_LONGEST = 1000  # characters of an exception's text; chats refuse messages of more than 2,000


class TrainingReport(NamedTuple):
    """What a message can tell.

    Attributes:
        event: `"end"` or `"failure"`.
        model: The name of the model's class.
        epochs: How many epochs were finished in this `fit`.
        seconds: How long it took.
        duration: The same for people: `0:03:12`.
        logs: What the last finished epoch logged.
        best: Name to the best value and the epoch that had it (counted from 1), for every name
            whose direction is known.
        error: Type and text of the exception that ended training, or None.
    """

    event: Literal["end", "failure"]
    model: str
    epochs: int
    seconds: float
    duration: str
    logs: Mapping[str, Any]
    best: Mapping[str, tuple[float, int]]
    error: str | None

    def text(self) -> str:
        """Return the message that is sent when none is given."""
        epochs = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        how = "ended" if self.error is None else "FAILED"
        lines = [f"{self.model}: training {how} after {epochs} in {self.duration}"]
        if self.error is not None:
            lines.append(self.error)
        for name, value in self.logs.items():
            line = f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            if name in self.best and self.best[name][0] != value:
                line += f" (best {self.best[name][0]:.4g} in epoch {self.best[name][1]})"
            lines.append(line)
        return "\n".join(lines)


Message = str | Callable[[TrainingReport], str] | None


class Webhook(Callback):
    """Posts a message when `fit` has ended or failed: `{"text": "..."}`, as Slack expects it.

    Mattermost, Teams and Google Chat take the same; Discord wants `field="content"`. The message
    is sent from a thread, and `fit` waits for it `flush_timeout` seconds at most; a chat that
    cannot be reached is a warning. The address is a secret (whoever has it can write to your
    chat), so no warning shows its path. `KeyboardInterrupt` counts as a failure.

    Args:
        url: The address that the chat gave you.
        message: A text to format with the fields of `TrainingReport` and the names of the last
            epoch's logs; or a function that is given the report and returns the text. By default
            epochs, duration, the last logs, the best ones, and what went wrong.
        on: When: `"end"`, `"failure"` or `"both"`.
        headers: Sent with the message.
        field: The name that the text has in the JSON.
        timeout: Seconds for one attempt.
        retries: How often to try again.
        flush_timeout: Seconds that the end of `fit` waits for the message to be taken.

    Raises:
        UsageError: If the address, a header, the message or `on` cannot be used.

    Example:
        >>> hook = Webhook("https://chat.example.org/hooks/123",
        ...                "{model}: val_loss {val_loss:.3f} after {epochs} epochs", on="end")
        >>> Webhook("https://chat.example.org/hooks/123", on="fail")
        Traceback (most recent call last):
            ...
        epochal.core.errors.UsageError: Webhook: unknown event 'fail': did you mean 'failure'?
        Valid: 'end', 'failure', 'both'.
    """

    state = ("epochs", "best", "_logs")
    reads_all = True

    def __init__(
        self,
        url: str,
        message: Message = None,
        on: Literal["end", "failure", "both"] = "both",
        headers: Mapping[str, str] | None = None,
        *,
        field: str = "text",
        timeout: float = 5.0,
        retries: int = 3,
        flush_timeout: float = 5.0,
        **unknown: Never,
    ) -> None:
        reject_unknown(Webhook.__init__, unknown)
        if on not in ("end", "failure", "both"):
            raise UsageError(f"Webhook: {unknown_name('event', on, ('end', 'failure', 'both'))}")
        if isinstance(message, str):
            try:
                list(string.Formatter().parse(message))
            except ValueError as error:
                raise UsageError(f"Webhook: message {message!r}: {error}") from None
        elif message is not None and not callable(message):
            raise UsageTypeError(f"Webhook: message is {message!r}; give text or a function")
        if not timeout > 0 or not flush_timeout > 0:
            raise UsageError(
                f"Webhook: timeout is {timeout!r} and flush_timeout {flush_timeout!r}; "
                "give seconds above 0"
            )
        if not isinstance(retries, int) or retries < 0:
            raise UsageError(f"Webhook: retries is {retries!r}; give 0 or more")
        self.message = message
        self.on = on
        self.field = field
        self.timeout = timeout
        self.retries = retries
        self.flush_timeout = flush_timeout
        self._endpoint = Endpoint(url, headers or {}, who="Webhook")
        self._names = LogNames({})  # knows well-known names, for a loop of the user's own
        self._running = False
        self.epochs = 0
        self.best: dict[str, tuple[float, int]] = {}
        self._logs: dict[str, Any] = {}

    def check(self, names: LogNames) -> Iterable[str]:
        """Learn which way each name gets better, and see that the message can be formatted."""
        self._names = names
        if not isinstance(self.message, str) or not names.complete:
            return
        known = [*TrainingReport._fields, *names]
        for _, field, _, _ in string.Formatter().parse(self.message):
            name = None if field is None else field.partition(".")[0].partition("[")[0]
            if name is not None and name not in known:
                yield f"Webhook: message: {unknown_name('field', name, known)}"

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        self._running = True
        self._began = time.perf_counter()
        self.epochs = 0
        self.best = {}
        self._logs = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the epoch's logs, and those that are the best so far."""
        self.epochs += 1
        self._logs = dict(logs or {})
        for name, value in self._logs.items():
            direction = self._names.direction(name)
            if direction is None or not isinstance(value, float):
                continue
            best = self.best.get(name, (float("inf" if direction == "min" else "-inf"), 0))[0]
            if value < best if direction == "min" else value > best:  # NaN is neither
                self.best[name] = value, epoch + 1

    def on_train_end(self, logs: Any = None) -> None:
        """Tell that training ended."""
        if self.on in ("end", "both"):
            self._post(None)

    def failed(self, error: BaseException) -> None:
        """Tell why training failed."""
        if self._running and self.on in ("failure", "both"):
            self._post(f"{type(error).__name__}: {error}"[:_LONGEST].removesuffix(": "))

    def close(self) -> None:
        """Note that no training is under way, so that a failing `evaluate` is none."""
        self._running = False

    def _post(self, error: str | None) -> None:
        seconds = time.perf_counter() - self._began
        model = getattr(self.model, "wrapped", self.model)  # the user's own module, if wrapped
        report = TrainingReport(
            "end" if error is None else "failure",
            type(model).__name__,
            self.epochs,
            seconds,
            str(timedelta(seconds=round(seconds))),
            self._logs,
            self.best,
            error,
        )
        sender = Sender[str](
            self._endpoint, self._request, timeout=self.timeout, queue_size=1, retries=self.retries
        )
        sender.put(self._text(report))
        sender.close(self.flush_timeout)
        if sender.lost:
            warnings.warn(
                f"Webhook: the message did not reach {self._endpoint.origin}/...: {sender.reason}",
                stacklevel=2,
            )

    def _text(self, report: TrainingReport) -> str:
        try:
            if isinstance(self.message, str):
                return self.message.format(**{**report.logs, **report._asdict()})
            return report.text() if self.message is None else str(self.message(report))
        except Exception as error:  # training is over: its result must not be lost for a message
            warnings.warn(
                f"Webhook: message failed with {error!r}; the default one was sent", stacklevel=2
            )
            return report.text()

    def _request(self, text: str) -> Request:
        body = to_json({self.field: text}).encode()
        return Request(body, {"Content-Type": "application/json"})

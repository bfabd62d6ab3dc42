"""One address that takes POST requests, over http or https, directly or through a proxy."""

import base64
import http
import http.client
import ipaddress
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from epochal.core.errors import EpochalError, UsageError, UsageTypeError
from epochal.remote.timed import Deadline, TimedSocket, connect

__all__ = ["Endpoint", "UndeliveredError"]

_PORTS = {"http": 80, "https": 443}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WORTH_ANOTHER_TRY = (408, 425, 429)  # of the answers 4xx; all others say that the request is wrong


class UndeliveredError(EpochalError, OSError):
    """A request was not taken.

    Attributes:
        reason: Why, in words.
        final: Whether sending the same again is of no use.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class _Proxy(NamedTuple):
    host: str
    port: int
    headers: Mapping[str, str]


class Endpoint:
    """Where requests go, checked when it is made, so that a typing error is one before training.

    Every request has a connection of its own. Redirects are not followed: what was meant for one
    server is not told to another. The environment's proxies (`http_proxy`, `https_proxy`,
    `no_proxy`) are used, except for this machine itself.

    Args:
        url: Where to; `user:password@` becomes a header.
        headers: Sent with every request.
        who: Begins every error.

    Attributes:
        shown: The address for people's eyes, without password and query.
        origin: The same, without the path: in a webhook's address that is a secret too.

    Raises:
        UsageError: If the address or a header cannot be sent.

    Example:
        >>> Endpoint("http://ada:secret@localhost:9000/epochs?key=1", {}).shown
        'http://localhost:9000/epochs'
        >>> Endpoint("localhost:9000", {})
        Traceback (most recent call last):
            ...
        epochal.core.errors.UsageError: Endpoint: 'localhost:9000' is no address; begin it with
        'http://' or 'https://'
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, who: str = "Endpoint") -> None:
        parts, port = _split(url, who)
        self._host = parts.hostname or ""
        self._port = port or _PORTS[parts.scheme]
        host = f"[{self._host}]" if ":" in self._host else self._host.encode("idna").decode()
        self._tunnel_end = f"{host}:{self._port}"
        place = host if port is None else f"{host}:{port}"
        self.origin = f"{parts.scheme}://{place}"
        # As browsers do: what may not stand in an address is escaped, what is escaped stays.
        path = quote(parts.path or "/", safe="/%:=~+!$,;'@()*&")
        self.shown = f"{self.origin}{path}"
        query = quote(parts.query, safe="/%:=~+!$,;'@()*&?")
        self._target = urlunsplit(("", "", path, query, ""))
        self._headers = {"host": place, "connection": "close"}
        if parts.username is not None:
            self._headers["authorization"] = _basic(parts)
        self._headers.update(_checked(headers, who))
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._proxy = _proxy(parts, who)
        if self._proxy is not None and self._tls is None:
            self._target = f"{self.origin}{self._target}"
            self._headers.update(self._proxy.headers)

    def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
        called_off: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send one request and see that it is taken (an answer 2xx).

        Args:
            body: What to send.
            headers: Headers of this request; those of the endpoint win.
            timeout: Seconds for all of it, from connecting to the answer's head.
            called_off: Asked now and then while waiting; True ends it.

        Raises:
            UndeliveredError: If it was not taken.
        """
        deadline = Deadline(time.monotonic() + timeout, called_off)
        try:
            timed = self._connected(deadline)
            try:
                status, words, location = self._exchange(timed, body, headers)
            finally:
                timed.close()
        except TimeoutError:
            raise UndeliveredError(f"no answer within {timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise UndeliveredError(_in_words(error)) from error
        if 300 <= status < 400:
            raise UndeliveredError(
                f"it answers {status} {words} and points to {location!r}; redirects are not "
                "followed, so give the address itself",
                final=True,
            )
        if not 200 <= status < 300:
            final = status < 500 and status not in _WORTH_ANOTHER_TRY
            raise UndeliveredError(f"it answers {status} {words}".rstrip(), final=final)

    def _connected(self, deadline: Deadline) -> TimedSocket:
        proxy = self._proxy
        host, port = (proxy.host, proxy.port) if proxy else (self._host, self._port)
        timed = connect(host, port, deadline)
        try:
            if self._tls is not None:
                if proxy is not None:
                    self._tunnel(timed, proxy)
                timed.secure(self._tls, self._host)
        except BaseException:
            timed.close()
            raise
        return timed

    def _tunnel(self, timed: TimedSocket, proxy: _Proxy) -> None:
        """Have the proxy connect us through to the server."""
        lines = [f"CONNECT {self._tunnel_end} HTTP/1.1", f"Host: {self._tunnel_end}"]
        lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
        timed.sendall("\r\n".join([*lines, "", ""]).encode())
        with http.client.HTTPResponse(cast(socket.socket, timed), method="CONNECT") as answer:
            answer.begin()
        if answer.status != 200:
            raise OSError(f"the proxy {proxy.host} answers {answer.status} {answer.reason}")

    def _exchange(
        self, timed: TimedSocket, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = cast(socket.socket, timed)
        sent = {name.lower(): value for name, value in headers.items()} | self._headers
        connection.request("POST", self._target, body, sent)
        # The head says whether it was taken; nobody here reads the body.
        with connection.getresponse() as answer:
            return answer.status, answer.reason, answer.headers.get("location", "")


def _split(url: str, who: str) -> tuple[SplitResult, int | None]:
    if not isinstance(url, str):
        raise UsageTypeError(f"{who}: the address is {url!r}; give text")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{who}: {url!r} is no address: {error}") from None
    if parts.scheme not in _PORTS:
        raise UsageError(f"{who}: {url!r} is no address; begin it with 'http://' or 'https://'")
    try:
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise UsageError(f"{who}: {url!r} has no valid host name") from None
    if not parts.hostname or any(c.isspace() or not c.isprintable() for c in parts.netloc):
        raise UsageError(f"{who}: {url!r} names no host; give 'http://host:port'")
    return parts, port


def _checked(headers: Mapping[str, str], who: str) -> dict[str, str]:
    """Return the headers by lower-case name, each tried on `http.client`'s own rules for values."""
    if not isinstance(headers, Mapping):
        raise UsageTypeError(f"{who}: headers is {headers!r}; give a dict of names and values")
    trial = http.client.HTTPConnection("localhost")
    trial.putrequest("POST", "/")
    for name, value in headers.items():
        try:
            if not _HEADER_NAME.fullmatch(name):  # `http.client` lets blanks pass
                raise ValueError(name)
            trial.putheader(name, value)
        except (ValueError, TypeError, AttributeError):
            # Not the value: it may be a key.
            raise UsageError(f"{who}: the header {name!r} or its value cannot be sent") from None
    return {name.lower(): value for name, value in headers.items()}


def _basic(parts: SplitResult) -> str:
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _proxy(parts: SplitResult, who: str) -> _Proxy | None:
    host = parts.hostname or ""
    found = urllib.request.getproxies().get(parts.scheme)
    # A proxy elsewhere would look for "localhost" on its own machine.
    if not found or _is_this_machine(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise UsageError(
            f"{who}: the environment's {parts.scheme}_proxy is of a kind that cannot be used "
            f"({proxy.scheme}); give one that begins with 'http://', or put {host!r} in no_proxy"
        )
    headers = {} if proxy.username is None else {"proxy-authorization": _basic(proxy)}
    return _Proxy(proxy.hostname, proxy.port or 80, headers)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _in_words(error: Exception) -> str:
    match error:
        case http.client.RemoteDisconnected():
            return "it closes the connection without an answer"
        case ConnectionRefusedError():
            return "nobody listens there (connection refused)"
        case socket.gaierror():
            return f"its name cannot be found ({error.strerror})"
        case http.client.HTTPException():
            return f"its answer is not HTTP ({type(error).__name__}: {error})"
    return f"the connection failed ({str(error) or type(error).__name__})"

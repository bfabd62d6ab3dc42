"""One request: what is refused before it is made, what arrives, and how each failure is told."""

import base64
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from epochal.core.errors import UsageError, UsageTypeError
from epochal.remote import Endpoint, UndeliveredError


def failure(endpoint, timeout=5.0, **keywords):
    with pytest.raises(UndeliveredError) as caught:
        endpoint.post(b"{}", {}, timeout=timeout, **keywords)
    return caught.value


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:9000", "begin it with 'http://'"),
        ("ftp://localhost/x", "begin it with 'http://'"),
        ("http://", "names no host"),
        ("http:///path", "names no host"),
        ("http://a b/", "names no host"),
        ("http://localhost:x/", "is no address: Port"),
        ("http://localhost:99999/", "is no address: Port"),
        ("http://[::1/", "is no address"),
        (f"http://{'a' * 64}.org/", "no valid host name"),
    ],
)
def test_an_address_that_cannot_work_is_an_error_when_it_is_given(url, says):
    with pytest.raises(UsageError, match="Endpoint") as caught:
        Endpoint(url, {})
    assert says in str(caught.value)


def test_what_is_no_text_or_no_header_is_an_error_that_does_not_show_the_value():
    with pytest.raises(UsageTypeError, match="give text"):
        Endpoint(9000, {})
    with pytest.raises(UsageTypeError, match="give a dict"):
        Endpoint("http://localhost", ["X-Key"])
    for headers in ({"X-Key": "secret\r\nX-More: 1"}, {"X Key": "secret"}, {"X-Key": "\N{KEY}"}):
        with pytest.raises(UsageError, match="cannot be sent") as caught:
            Endpoint("http://localhost", headers)
        assert "secret" not in str(caught.value)


def test_the_request_that_arrives_is_the_one_meant(serve):
    server = serve()
    url = server.url.replace("//", "//ada:pa%20ss@") + "/some where/%41?run=a b&x=1"
    endpoint = Endpoint(url, {"X-Key": "1", "content-type": "text/mine"})
    endpoint.post(b"body", {"Content-Type": "application/json", "X-Event": "7"}, timeout=5)
    (request,) = server.requests
    assert request.path == "/some%20where/%41?run=a%20b&x=1"
    assert request.text == "body"
    assert request.headers["X-Key"] == "1"
    assert request.headers["X-Event"] == "7"
    assert request.headers.get_all("Content-Type") == ["text/mine"]
    assert request.headers.get_all("Host") == [server.url.removeprefix("http://")]
    assert base64.b64decode(request.headers["Authorization"].split()[1]) == b"ada:pa ss"
    assert endpoint.shown == f"{server.url}/some%20where/%41"


@pytest.mark.parametrize(("code", "final"), [(400, True), (404, True), (429, False), (503, False)])
def test_an_answer_that_is_no_success_is_told_and_only_some_are_worth_another_try(
    serve, code, final
):
    problem = failure(Endpoint(serve(lambda handler: handler.status(code)).url, {}))
    assert problem.reason.startswith(f"it answers {code} ")
    assert problem.final is final


def test_a_redirect_is_told_and_not_followed(serve):
    other = serve()
    problem = failure(
        Endpoint(serve(lambda handler: handler.status(307, Location=other.url)).url, {})
    )
    assert other.url in problem.reason
    assert problem.final
    assert not other.requests


def test_every_way_to_break_off_is_told_in_words(serve):
    def closing_after(data):
        def answer(handler):
            handler.wfile.write(data)
            handler.close_connection = True

        return Endpoint(serve(answer).url, {})

    assert "without an answer" in failure(closing_after(b"")).reason
    assert "not HTTP" in failure(closing_after(b"HTTP/1.1 2")).reason
    assert "not HTTP" in failure(closing_after(b"SSH-2.0-OpenSSH\r\n")).reason
    # The head says that it was taken; what follows does not matter.
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1"
    closing_after(head).post(b"", {}, timeout=5)


def test_nobody_there_and_no_such_name_are_told_in_words():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refused" in failure(Endpoint(f"http://127.0.0.1:{port}", {})).reason
    # Names that end in .invalid are kept free of machines by RFC 2606.
    assert "name cannot be found" in failure(Endpoint("http://epochal.invalid", {})).reason


def test_a_server_that_never_answers_ends_at_the_deadline(serve):
    server = serve(lambda handler: handler.server.released.wait())
    assert failure(Endpoint(server.url, {}), 0.2).reason == "no answer within 0.2 s"


def test_one_byte_at_a_time_does_not_put_the_deadline_off(serve):
    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.server.released.wait(0.05):
            handler.wfile.write(b"x")

    assert failure(Endpoint(serve(drip).url, {}), 0.5).reason == "no answer within 0.5 s"


def test_a_body_that_nobody_reads_meets_the_deadline_too():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = Endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}", {})
        with pytest.raises(UndeliveredError, match="no answer within"):
            endpoint.post(bytes(64 << 20), {}, timeout=0.5)


def test_waiting_can_be_called_off(serve):
    server = serve(lambda handler: handler.server.released.wait())
    failure(Endpoint(server.url, {}), timeout=600, called_off=lambda: bool(server.requests))


def test_a_proxy_is_asked_except_for_this_machine(serve, monkeypatch):
    proxy, server = serve(), serve()
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//ada:1@"))
    monkeypatch.setenv("no_proxy", "inner.test")
    Endpoint("http://outer.test/x?y=1", {}).post(b"", {}, timeout=5)
    Endpoint(server.url, {}).post(b"", {}, timeout=5)
    (asked,) = proxy.requests
    assert asked.path == "http://outer.test/x?y=1"
    assert asked.headers["Host"] == "outer.test"
    assert asked.headers["Proxy-Authorization"].startswith("Basic ")
    assert len(server.requests) == 1
    assert "Proxy-Authorization" not in server.requests[0].headers
    monkeypatch.setenv("http_proxy", "socks5://localhost:1080")
    Endpoint("http://inner.test", {})
    Endpoint("http://runs.localhost", {})
    with pytest.raises(UsageError, match=r"http_proxy .*socks5.*no_proxy"):
        Endpoint("http://outer.test", {})


@pytest.fixture
def secure(serve, tmp_path, monkeypatch):
    """A server under TLS for localhost and tls.test, whose certificate we trust."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:tls.test"]
    subprocess.run(
        [*make.split(), *names, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serve()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return server


def test_https_is_sent_to_whom_the_certificate_names_and_to_nobody_else(secure):
    port = secure.server_port
    Endpoint(f"https://localhost:{port}/x", {}).post(b"hello", {}, timeout=5)
    assert [request.text for request in secure.requests] == ["hello"]
    assert "certificate" in failure(Endpoint(f"https://127.0.0.1:{port}/x", {})).reason
    assert len(secure.requests) == 1


def test_https_goes_through_a_proxy(secure, serve, monkeypatch):
    def tunnel(handler):
        if handler.path != "tls.test:443" or not handler.headers["Proxy-Authorization"]:
            handler.status(403)
            return
        handler.status(200)
        with socket.create_connection(("127.0.0.1", secure.server_port)) as inner:
            back = threading.Thread(target=copied, args=(inner, handler.connection))
            back.start()
            copied(handler.connection, inner)
            back.join()
        handler.close_connection = True

    def copied(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    proxy = serve(tunnel)
    monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "ada:1@"))
    Endpoint("https://tls.test/x", {}).post(b"hello", {}, timeout=5)
    assert [request.text for request in secure.requests] == ["hello"]
    assert "Proxy-Authorization" not in secure.requests[0].headers
    problem = failure(Endpoint("https://other.test/x", {}))
    assert "the proxy 127.0.0.1 answers 403" in problem.reason

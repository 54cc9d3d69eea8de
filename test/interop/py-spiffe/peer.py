"""py-spiffe as a peer. How it is talked to stands in ../README.md."""

import socket
import sys
import threading
from typing import Callable

from cryptography import x509
from OpenSSL import SSL, crypto
from spiffe import SpiffeId, X509Source
from spiffetls import create_ssl_context, dial
from spiffetls.tlsconfig.authorize import authorize_id, authorize_one_of

from tokens import tokens

Authorize = Callable[[crypto.X509], bool]

REQUEST = b"GET /orders HTTP/1.1\r\nHost: orders.a.test\r\nConnection: close\r\n\r\n"


def main(role: str, arguments: list[str]) -> None:
    if role == "tokens":
        return tokens()
    source = X509Source()
    if role == "client":
        client(source, *arguments)
    elif role == "server":
        server(source, arguments)
    else:
        raise SystemExit("usage: client <address> <SPIFFE ID> | server <SPIFFE ID>... | tokens")


def client(source: X509Source, address: str, server_id: str) -> None:
    authorize = authorize_id(SpiffeId(server_id))
    say("ready")
    for _ in sys.stdin:
        try:
            connection = dial(address, source, authorize_fn=authorize)
            try:
                say(f"ok {id_of(connection)} {get(connection)}")
            finally:
                connection.close()
        except Exception as error:
            say(f"refused {error!r}".replace("\n", " "))


def get(connection: SSL.Connection) -> str:
    connection.sendall(REQUEST)
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(head.split(b"\r\n")[0].decode())
    return body.decode()


def read_all(connection: SSL.Connection) -> bytes:
    received = b""
    while True:
        try:
            received += connection.recv(65536)
        except SSL.ZeroReturnError:
            return received


def server(source: X509Source, callers: list[str]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    authorize = authorize_one_of({SpiffeId(caller) for caller in callers})
    threading.Thread(target=accept, args=[listener, source, authorize], daemon=True).start()
    say(f"listening {listener.getsockname()[1]}")
    sys.stdin.read()


def accept(listener: socket.socket, source: X509Source, authorize: Authorize) -> None:
    # spiffetls.listen() stays with its first SVID: it changes a context that is in use, which pyOpenSSL refuses.
    renewed = threading.Event()
    source.subscribe_for_updates(renewed.set)
    context = create_ssl_context(SSL.TLS_SERVER_METHOD, source, authorize)
    while True:
        accepted, _ = listener.accept()
        if renewed.is_set():
            renewed.clear()
            context = create_ssl_context(SSL.TLS_SERVER_METHOD, source, authorize)
        connection = SSL.Connection(context, accepted)
        connection.set_accept_state()
        threading.Thread(target=answer, args=[connection], daemon=True).start()


def answer(connection: SSL.Connection) -> None:
    try:
        connection.do_handshake()
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        body = f'{{"caller":"{id_of(connection)}"}}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall((head + body).encode())
        connection.shutdown()
    except SSL.Error as error:
        print(f"refused {error!r}", file=sys.stderr)
    finally:
        connection.close()


def id_of(connection: SSL.Connection) -> SpiffeId:
    certificate = connection.get_peer_certificate().to_cryptography()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return SpiffeId(names.get_values_for_type(x509.UniformResourceIdentifier)[0])


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

"""A TLS 1.2 client that renegotiates with another certificate.

Reads lines of JSON: [port, chain, key, other chain, other key], paths but for the first. For each it
connects, sends one request before and one after, and prints both answers as a line of JSON. No client of Node's and no
option of `openssl s_client` changes its certificate for a renegotiation, so this calls OpenSSL itself.
"""

import ctypes
import json
import socket
import sys

TLS1_2 = 0x0303
SET_MIN_VERSION, SET_MAX_VERSION = 123, 124
PEM = 1
REQUEST = b"GET / HTTP/1.1\r\nHost: orders\r\n\r\n"

ssl = ctypes.CDLL("libssl.so.3")
crypto = ctypes.CDLL("libcrypto.so.3")
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(ssl, name).restype = ctypes.c_void_p
crypto.ERR_get_error.restype = ctypes.c_ulong
crypto.ERR_reason_error_string.restype = ctypes.c_char_p
crypto.ERR_reason_error_string.argtypes = [ctypes.c_ulong]


def why():
    reason = crypto.ERR_reason_error_string(crypto.ERR_get_error())
    return reason.decode() if reason else "the connection was cut"


def use(connection, chain, key):
    assert ssl.SSL_use_certificate_chain_file(connection, chain.encode()) == 1, why()
    assert ssl.SSL_use_PrivateKey_file(connection, key.encode(), PEM) == 1, why()


def ask(connection):
    if ssl.SSL_write(connection, REQUEST, len(REQUEST)) <= 0:
        return None
    answer = b""
    buffer = ctypes.create_string_buffer(65536)
    while b"\r\n\r\n" not in answer:
        count = ssl.SSL_read(connection, buffer, len(buffer))
        if count <= 0:
            return None
        answer += buffer.raw[:count]
    return answer.decode()


def renegotiate(port, chain, key, other_chain, other_key):
    context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
    for command in (SET_MIN_VERSION, SET_MAX_VERSION):
        ssl.SSL_CTX_ctrl(context, command, ctypes.c_long(TLS1_2), None)
    wire = socket.create_connection(("127.0.0.1", port), timeout=10)
    wire.settimeout(None)
    try:
        return converse(context, wire, chain, key, other_chain, other_key)
    finally:
        wire.close()


def converse(context, wire, chain, key, other_chain, other_key):
    connection = ctypes.c_void_p(ssl.SSL_new(context))
    ssl.SSL_set_fd(connection, wire.fileno())
    use(connection, chain, key)
    assert ssl.SSL_connect(connection) == 1, why()
    before = ask(connection)
    use(connection, other_chain, other_key)
    crypto.ERR_clear_error()
    ssl.SSL_renegotiate(connection)
    done = ssl.SSL_do_handshake(connection) == 1
    refusal = None if done else why()
    after = ask(connection) if done else None
    return {"before": before, "refusal": refusal, "after": after}


for line in sys.stdin:
    print(json.dumps(renegotiate(*json.loads(line))), flush=True)

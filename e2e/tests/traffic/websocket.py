"""A WebSocket server (RFC 6455) and a client that reaches it through a proxy.

    websocket.py serve            prints its port, serves until it is killed
    websocket.py chat PORT HOST   talks through the proxy at PORT, prints "fine"
"""

import base64
import hashlib
import os
import socket
import struct
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def head(stream):
    """The lines of a head, the first one apart."""
    lines = []
    while True:
        line = stream.readline()
        if not line.strip():
            break
        lines.append(line.strip().decode())
    return lines[0], {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def frame(opcode, data, mask):
    size = len(data)
    length = size if size < 126 else 126 if size < 65536 else 127
    out = struct.pack("!BB", 0x80 | opcode, (0x80 if mask else 0) | length)
    out += struct.pack("!H", size) if length == 126 else struct.pack("!Q", size) if length == 127 else b""
    if mask:
        key = os.urandom(4)
        out += key
        data = bytes(b ^ key[i % 4] for i, b in enumerate(data))
    return out + data


def read(stream, masked):
    start = stream.read(2)
    if not start:
        return None, b""
    first, second = start
    assert first & 0x80 and bool(second & 0x80) == masked, (first, second)
    size = second & 0x7F
    if size >= 126:
        size = struct.unpack("!H" if size == 126 else "!Q", stream.read(2 if size == 126 else 8))[0]
    key = stream.read(4) if masked else b"\0" * 4
    data = stream.read(size)
    assert len(data) == size, "the stream broke off"
    return first & 15, bytes(b ^ key[i % 4] for i, b in enumerate(data))


def serve_one(io):
    stream = io.makefile("rb")
    line, lines = head(stream)
    if lines.get("upgrade") != "websocket" or lines.get("connection", "").lower() != "upgrade":
        io.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
        return
    answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    io.sendall((answer + f"Sec-WebSocket-Accept: {accept_of(lines['sec-websocket-key'])}\r\n\r\n").encode())
    io.sendall(frame(TEXT, b"welcome to " + line.split()[1].encode(), False))
    while True:
        opcode, data = read(stream, True)
        if opcode is None:
            return
        io.sendall(frame(PONG if opcode == PING else opcode, data, False))
        if opcode == CLOSE:
            io.shutdown(socket.SHUT_WR)
            assert stream.read() == b""
            return


def serve():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        io, _ = listener.accept()
        threading.Thread(target=serve_one, args=(io,), daemon=True).start()


def chat(port, host):
    io = socket.create_connection(("127.0.0.1", port))
    io.settimeout(30)
    stream = io.makefile("rb")
    key = base64.b64encode(os.urandom(16)).decode()
    ask = f"GET /room HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    io.sendall((ask + f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    line, lines = head(stream)
    assert line.startswith("HTTP/1.1 101 "), (line, lines)
    assert lines["sec-websocket-accept"] == accept_of(key), lines
    assert lines["upgrade"] == "websocket" and lines["connection"] == "Upgrade", lines
    assert read(stream, False) == (TEXT, b"welcome to /room")
    for size in [0, 1, 125, 126, 1000, 65535, 65536, 300000]:
        data = os.urandom(size)
        io.sendall(frame(BINARY, data, True))
        assert read(stream, False) == (BINARY, data), size
    io.sendall(b"".join(frame(TEXT, b"%d" % i, True) for i in range(500)))
    for i in range(500):
        assert read(stream, False) == (TEXT, b"%d" % i)
    io.sendall(frame(PING, b"there?", True))
    assert read(stream, False) == (PONG, b"there?")
    io.sendall(frame(CLOSE, struct.pack("!H", 1000), True))
    assert read(stream, False) == (CLOSE, struct.pack("!H", 1000))
    assert stream.read() == b"", "the server ends first"
    print("fine")


if sys.argv[1] == "serve":
    serve()
else:
    chat(int(sys.argv[2]), sys.argv[3])

#!/usr/bin/env python3
"""The services behind the examples: seven little HTTP servers on 127.0.0.1, or at the addresses that are
given as arguments, started together, ended with Ctrl-C.

    port  name    what it does
    8081  web-1   answers with its name
    8082  web-2   the same: a second replica of the service `web`
    8083  web-v2  the same: the next version of `web`
    8084  users   the same: another service
    8085  slow    the same, after 300 ms
    8086  flaky   every second request is answered with 500
    8087  broken  every request is answered with 503

Nobody listens on 8088. What they answer to, whichever of them it is:

    /status/418   that status
    /delay/250    the name, after 250 ms
    /text         4,000 bytes of text
    .../headers   the request as it arrived: the first line and all headers (at the end of any path)
    others        the name; for a POST also how many bytes came
    CONNECT       200; then the connection goes on as before
    Upgrade: echo 101; then everything that comes goes back

It needs nothing but Python 3.8 and is no example of how to write a server.
"""

import itertools
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVICES = {
    8081: "web-1",
    8082: "web-2",
    8083: "web-v2",
    8084: "users",
    8085: "slow",
    8086: "flaky",
    8087: "broken",
}


class Service(ThreadingHTTPServer):
    """One of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, port, name):
        self.name = name
        # Requests so far; `next` of it is atomic, and the threads of all connections share it.
        self.count = itertools.count()
        super().__init__((address, port), Handler)

    def server_bind(self):
        # Without the look-up of the host's name that HTTPServer does here.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


class Handler(BaseHTTPRequestHandler):
    """One caller's connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name, number = self.server.name, next(self.server.count)
        path = self.path.split("?")[0]
        wish, _, value = path.strip("/").partition("/")
        status, text = 200, name + "\n"
        if wish == "status":
            status = int(value)
        elif wish == "delay":
            time.sleep(int(value) / 1000)
        elif wish == "text":
            text = (name + " says this again and again.\n") * 200
            text = text[:4000]
        elif path.endswith("/headers"):
            text = f"{self.requestline}\n{self.headers}".rstrip() + "\n"
        elif self.command == "POST":
            text = f"{name}: {len(body)} bytes\n"
        if name == "slow":
            time.sleep(0.3)
        elif name == "flaky" and number % 2 == 0:
            status = 500
        elif name == "broken":
            status = 503
        self.send(status, text)

    def send(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "echo":
            self.echo()
        else:
            self.answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = answer

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()

    def echo(self):
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        self.close_connection = True
        while data := self.rfile.read1(65536):
            self.wfile.write(data)

    def log_message(self, format, *args):
        """Says nothing: the proxies have access logs."""


def main():
    addresses = sys.argv[1:] or ["127.0.0.1"]
    servers = [Service(address, port, name) for address in addresses for port, name in SERVICES.items()]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready: " + ", ".join(f"{name} on {port}" for port, name in SERVICES.items()), flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

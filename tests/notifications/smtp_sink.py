"""A real SMTP server on the loopback interface that keeps what it is given, or refuses it."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from email.message import EmailMessage


class Sink(socketserver.ThreadingTCPServer):
    """`mails`: everything accepted. `answers`: command → reply instead of yes, e.g. RCPT → 550."""

    daemon_threads = allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.port = self.server_address[1]


class _Session(socketserver.StreamRequestHandler):
    server: Sink

    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            self._say(self.server.answers.get(command) or self._accept(command))
            if command == "QUIT":
                return

    def _accept(self, command: str) -> str:
        if command != "DATA":
            return "250 fine"
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line)
        if refusal := self.server.answers.get("."):
            return refusal
        self.server.mails.append(message_from_string("\r\n".join(lines), policy=policy.default))
        return "250 taken"

    def _say(self, reply: str) -> None:
        self.wfile.write(f"{reply}\r\n".encode())


@contextmanager
def smtp_sink() -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

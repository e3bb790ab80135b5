"""A proxy as people put before a server: the pages lie below a path of its own, which the server behind never
sees.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Passes what is below `/path/` on to a port of this machine, without that path, and says for which host
    it was.
    """

    def __init__(self, behind: int, path: str) -> None:
        self._behind = behind
        self._path = path.encode()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/{path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._pass_on, args=(self._listening.accept()[0],), daemon=True
                ).start()

    def _pass_on(self, browser: socket.socket) -> None:
        """One request a connection, so that no second one goes by unread; a WebSocket's frames follow its
        request.
        """
        with suppress(OSError), browser, socket.create_connection(("127.0.0.1", self._behind)) as server:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (part := browser.recv(65536)):
                    return
                head += part
            head, rest = head.split(b"\r\n\r\n", 1)
            first, *lines = head.split(b"\r\n")
            upgrades = any(line.lower().startswith(b"upgrade:") for line in lines)
            kept = [line for line in lines if not line.lower().startswith((b"host:", b"connection:"))]
            added = [
                b"Host: 127.0.0.1:%d" % self._behind,
                b"X-Forwarded-Host: 127.0.0.1:%d" % self.port,
                b"Connection: " + (b"Upgrade" if upgrades else b"close"),
            ]
            first = first.replace(b" /" + self._path, b" ", 1).replace(b"  ", b" /", 1)
            server.sendall(b"\r\n".join([first, *added, *kept]) + b"\r\n\r\n" + rest)
            threading.Thread(target=_pump, args=(browser, server), daemon=True).start()
            _pump(server, browser)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

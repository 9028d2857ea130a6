"""A key service on this machine that speaks as Vault's transit engine does, and can be stopped."""

import os
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import json

from gateway.sealing.key_service import KeyService

TOKEN: Final = "hvs.a-token"


class Transit:
    """Keys with versions, of which the last encrypts. What it is asked is in `asked`."""

    def __init__(self, folder: Path) -> None:
        self.keys: dict[str, list[AESGCM]] = {"gateway": [AESGCM(os.urandom(32))]}
        #: The first version that is still used.
        self.least = 1
        self.asked: list[str] = []
        self.answered = 0
        self.token = folder / "token"
        self.token.write_text(f"{TOKEN}\n")
        #: What it answers instead, where that is set: a status, and a body.
        self.instead: tuple[int, bytes] | None = None
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Answer, on the same port as before."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.decode(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = service.instead or service._answer(
                    self.path, self.headers.get("X-Vault-Token"), body
                )
                service.answered += 1
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", f"http://127.0.0.1:{service.port}/v1/elsewhere")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer nobody."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def rotate(self) -> None:
        """A new version of the key."""
        self.keys["gateway"].append(AESGCM(os.urandom(32)))

    @property
    def url(self) -> str:
        """As GATEWAY_KEY_SERVICE_URL has it."""
        return f"http://127.0.0.1:{self.port}/v1/transit"

    def client(self, key: str = "gateway") -> KeyService:
        """Who asks it."""
        return KeyService(self.url, key, self.token, answer_s=2.0)

    def _answer(self, path: str, token: str | None, body: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(path)
        if token != TOKEN:
            return 403, b'{"errors":["permission denied"]}'
        _, version, mount, what, key = path.split("/")
        if (version, mount) != ("v1", "transit") or key not in self.keys:
            return 404, b'{"errors":[]}'
        versions = self.keys[key]
        if what == "encrypt":
            nonce = os.urandom(12)
            wrapped = nonce + versions[-1].encrypt(nonce, b64decode(body["plaintext"]), None)
            return 200, _data("ciphertext", f"vault:v{len(versions)}:{b64encode(wrapped).decode()}")
        _, named, value = body["ciphertext"].split(":")
        number, wrapped = int(named.removeprefix("v")), b64decode(value)
        try:
            if number < self.least:
                raise InvalidTag
            plain = versions[number - 1].decrypt(wrapped[:12], wrapped[12:], None)
        except (InvalidTag, IndexError):
            return 400, b'{"errors":["cipher: message authentication failed"]}'
        return 200, _data("plaintext", b64encode(plain).decode())


def _data(name: str, value: str) -> bytes:
    return json.encode({"request_id": "1", "data": {name: value, "key_version": 1}, "warnings": None})

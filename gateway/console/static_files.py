"""The files beside the pages."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Final


def _static(name: str) -> bytes:
    return files("gateway.console").joinpath("static", name).read_bytes()


#: The files beside the pages, each with its type.
STATIC: Final[Mapping[str, tuple[bytes, str]]] = {
    "console.css": (_static("console.css"), "text/css"),
    "console.js": (_static("console.js"), "text/javascript"),
    "icon.svg": (_static("icon.svg"), "image/svg+xml"),
}


def versioned(name: str) -> str:
    """The address of a file, another one for each content, so that browsers may keep it."""
    return f"/console/static/{name}?v={sha256(STATIC[name][0]).hexdigest()[:12]}"

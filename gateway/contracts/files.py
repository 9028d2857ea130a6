"""What describes the gateway to other programs, as files."""

from pathlib import Path

from msgspec import json

from gateway.contracts import asyncapi, openapi


def write_docs(folder: Path) -> list[Path]:
    """Write the AsyncAPI and the OpenAPI document into a folder, made where it isn't there.

    Returns the files written. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = {asyncapi.FILE: asyncapi.document(), openapi.FILE: openapi.document(sandbox=True)}
    for name, document in documents.items():
        (folder / name).write_bytes(json.format(json.encode(document), indent=2) + b"\n")
    return [folder / name for name in documents]

"""Server-sent events, read as a browser reads them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientResponse, ClientTimeout

from tests.api.running import Client
from tests.cli.running import Json
from tests.patience import PATIENCE_S

#: Answers are waited for no longer than this, in seconds.
PATIENCE = ClientTimeout(total=PATIENCE_S)


@dataclass
class Stream:
    """One that is open."""

    response: ClientResponse
    kind: str

    async def blocks(self) -> AsyncIterator[dict[str, str]]:
        """Block by block, the fields of each; a comment's name is empty. Ends when the gateway ends it."""
        fields: dict[str, str] = {}
        async for line in self.response.content:
            text = line.decode().removesuffix("\n")
            if text:
                name, _, value = text.partition(":")
                fields[name] = value.strip()
            else:
                yield fields
                fields = {}

    async def events(self, most: int = 1_000_000) -> list[Json]:
        """The next events, `most` at the most, or all until the gateway ends the stream."""
        found: list[Json] = []
        async for fields in self.blocks():
            if "data" in fields:
                value = json.loads(fields["data"])
                # Of several kinds, each says which it is.
                kind = value["type"] if self.kind == "event" else self.kind
                assert (fields["id"], fields["event"]) == (value["cursor"], kind)
                found.append(value)
                if len(found) == most:
                    break
        return found


@asynccontextmanager
async def stream(
    client: Client, query: str = "", kind: str = "instruction", **headers: str
) -> AsyncIterator[Stream]:
    """A provider's instructions, or outcomes, or a Jobcentre's events."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"Authorization": f"Bearer {client.token}", "Accept": "text/event-stream"}
    path = f"/v1/{kind}s{query}"
    async with client.session.get(path, headers=named, timeout=PATIENCE) as response:
        assert response.status == 200, await response.read()
        assert response.headers["Content-Type"] == "text/event-stream"
        yield Stream(response, kind)

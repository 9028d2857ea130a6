"""Confluent's wire format: a zero byte, the id of the schema in a registry (4 bytes, big endian), the body.

Within the gateway a value is in Avro's single-object encoding, whose fingerprint needs no registry. On its
way out to a topic its first bytes are replaced, and on its way in as well.
Source: Confluent Schema Registry, "Wire format"; TopicRecordNameStrategy.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.backends.kafka.schema_registry import (
    NotRegistered,
    RegistryAway,
    SchemaRegistry,
)
from gateway.engine.log import INBOUND_TOPICS, LogError, Record

_ZERO: Final = 0
_PREFIX_BYTES: Final = 5
_HEADER_BYTES: Final = 10
#: How many ids of others' schemas are remembered.
MOST_IDS: Final = 1_000
LONGEST_BACKOFF_S: Final = 5.0
#: How often somebody who waits for an id looks whether the registry is away.
_LOOK_S: Final = 0.05


def _is_framed(value: bytes) -> bool:
    return len(value) >= _PREFIX_BYTES and value[0] == _ZERO


class Subject(Struct, frozen=True):
    """A record on a topic. name: its full name. header: how its values begin in single-object encoding."""

    topic: str
    name: str
    header: bytes
    schema: str

    def called(self, prefix: str) -> str:
        """The subject's name in the registry (TopicRecordNameStrategy). prefix: of the topic."""
        return f"{prefix}{self.topic}-{self.name}"


class Framing:
    """Puts values into the wire format and takes them out of it.

    prefix: of the topics. written: the records that the gateway puts on topics. learn: what makes a schema
    known to those who decode, and returns how values begin that were written with it; it raises ValueError
    for what is no schema. header_of: how the value of a record begins that says so in its headers; None: it
    doesn't. look_again_s: how often the ids are looked up again, in case the registry has lost them.
    forget_s: for how long an id that the registry does not have is not asked for again.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        prefix: str,
        written: Iterable[Subject],
        learn: Callable[[Sequence[str]], bytes],
        header_of: Callable[[Record], bytes | None],
        *,
        look_again_s: float = 60.0,
        forget_s: float = 10.0,
    ) -> None:
        self._registry = registry
        self._prefix = prefix
        self._written = {(subject.topic, subject.header): subject for subject in written}
        #: Whose values are put into the wire format.
        self.topics = frozenset(topic for topic, _ in self._written)
        self._read = self.topics.union(INBOUND_TOPICS)
        self._learn = learn
        self._header_of = header_of
        self._look_again_s = look_again_s
        self._forget_s = forget_s
        self._prefixes: Mapping[tuple[str, bytes], bytes] = {}
        self._headers: dict[int, bytes] = {}
        #: Ids that the registry does not have, with when to ask for each again; None: it was not used yet.
        self._unknown: dict[int, float | None] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._preparing = asyncio.Lock()
        #: Why the registry can't be asked; None: it can, as far as is known.
        self.trouble: str | None = None
        self._say = structlog.get_logger("gateway.schemas")

    async def prepare(self) -> None:
        """See that the ids of what is written are known. Raises RegistryAway, NotCompatible."""
        async with self._preparing:
            if not self._prefixes:
                await self._look_up()
                self._looking = asyncio.create_task(self._look_again())

    def framed(self, topic: str, value: bytes | None) -> bytes | None:
        """A value as it is put on a topic: one that the gateway writes there, in the wire format."""
        if value is None or topic not in self.topics:
            return value
        prefix = self._prefixes.get((topic, value[:_HEADER_BYTES]))
        if prefix is None:
            raise LogError(f"{topic} is given what it does not hold; report it as a bug of the gateway")
        return prefix + value[_HEADER_BYTES:]

    def unframed(self, record: Record) -> Record | None:
        """The record with its value in single-object encoding.

        None: its schema is not known yet, and is being asked for. A value whose id the registry does not have
        is left as it is.
        """
        value = record.value
        if value is None or record.topic not in self._read or not _is_framed(value):
            return record
        # What the gateway wrote says itself by which schema, also where the registry has lost that.
        header = self._header_of(record) if record.topic in self.topics else None
        plain = self._plain(value) if header is None else header + value[_PREFIX_BYTES:]
        if plain is value:
            return record
        return None if plain is None else replace(record, value=plain, framed=value)

    async def unframed_value(self, value: bytes | None) -> bytes | None:
        """The same of a value, which is waited for. Raises RegistryAway."""
        if value is None or not _is_framed(value):
            return value
        while (plain := self._plain(value)) is None:
            if self.trouble is not None:
                raise RegistryAway(self.trouble)
            await asyncio.wait([*self._asking.values()], timeout=_LOOK_S)
        return plain

    async def close(self) -> None:
        """Ask for nothing more. Never raises."""
        tasks = [*self._asking.values(), *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._registry.close()

    def _plain(self, value: bytes) -> bytes | None:
        schema_id = int.from_bytes(value[1:_PREFIX_BYTES], "big")
        header = self._headers.get(schema_id)
        if header is not None:
            return header + value[_PREFIX_BYTES:]
        if self._is_unknown(schema_id):
            return value
        self._ask(schema_id)
        return None

    def _is_unknown(self, schema_id: int) -> bool:
        if schema_id not in self._unknown:
            return False
        again_at, now_s = self._unknown[schema_id], asyncio.get_running_loop().time()
        if again_at is None:  # who waits for an answer gets it, however late they look
            self._unknown[schema_id] = now_s + self._forget_s
        elif now_s >= again_at:
            del self._unknown[schema_id]
            return False
        return True

    def _ask(self, schema_id: int) -> None:
        if schema_id not in self._asking:
            task = self._asking[schema_id] = asyncio.create_task(self._until_answered(schema_id))
            task.add_done_callback(lambda _: self._asking.pop(schema_id, None))

    async def _until_answered(self, schema_id: int) -> None:
        backoff_s = 0.1
        while True:
            try:
                header = self._learn(await self._registry.schema(schema_id))
            except RegistryAway as error:
                self._is_away(error)
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
                continue
            except (NotRegistered, ValueError):
                self._unknown[schema_id] = None
            else:
                self._headers[schema_id] = header
            for kept in (self._unknown, self._headers):
                if len(kept) > MOST_IDS:
                    del kept[next(iter(kept))]
            self._is_back()
            return

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._look_again_s)
            try:
                await self._look_up()
            except RegistryAway as error:
                self._is_away(error)
            except LogError as error:
                self._say.warning("schema_registry.refused", error=str(error))

    async def _look_up(self) -> None:
        """Find the ids of all that is written, and register what the registry does not have.

        Where they are not those of before, the registry is not what it was, and no id means what it did.
        """
        found = {}
        for place, subject in self._written.items():
            name = subject.called(self._prefix)
            try:
                schema_id = await self._registry.id_of(name, subject.schema)
            except NotRegistered:
                schema_id = await self._registry.register(name, subject.schema)
            found[place] = bytes([_ZERO]) + schema_id.to_bytes(4, "big")
        self._is_back()
        if self._prefixes and found != self._prefixes:
            self._say.warning("schema_registry.other_ids")
            self._headers.clear()
            self._unknown.clear()
        self._prefixes = found

    def _is_away(self, error: RegistryAway) -> None:
        if self.trouble is None:
            self._say.warning("schema_registry.away", error=str(error))
        self.trouble = str(error)

    def _is_back(self) -> None:
        if self.trouble is not None:
            self._say.info("schema_registry.back")
        self.trouble = None

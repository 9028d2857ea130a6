"""Records to and from bytes: Avro's single-object encoding.

What the current schemas say is written by what is compiled from them; fastavro reads. It reads more than the
specification allows, so what may be beyond that is gone through again, by our own rules.

The bytes are C3 01, the CRC-64-AVRO fingerprint of the writer's schema in parsing canonical form (8 bytes,
little endian), and the body. Source: Avro 1.12 specification, "Single-object encoding".
"""

from collections.abc import Container, Iterable
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final, Literal

from fastavro import schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Struct, convert

from schemas.avro_writer import Write, record_writer
from schemas.catalogue import RECORDS, SCHEMAS, Schema, earlier_schemas
from schemas.checking import Checks, checks_of
from schemas.prepared import keyed, parsed
from schemas.well_formed import NotWellFormed, Pass, passing

MARKER: Final = b"\xc3\x01"
HEADER_BYTES: Final = 10
#: How a value begins, and up to where, that names its schema by the id of a registry (Confluent).
WIRE_FORMAT: Final = b"\0"
WIRE_FORMAT_BYTES: Final = 5
LARGEST_BODY_BYTES: Final = 1024 * 1024
#: No encoded message is as short.
DIGEST_BYTES: Final = 16

UnreadableCode = Literal["UNKNOWN_SCHEMA", "UNDECODABLE", "KEY_MISMATCH", "TOO_LARGE", "FAILED"]


class Unreadable(Struct, frozen=True):
    """Why a record could not be read. `detail` is one sentence, without anything of the content."""

    code: UnreadableCode
    detail: str


_TOO_LARGE: Final = Unreadable("TOO_LARGE", "The body is larger than 1 MiB.")
_NO_VALUE: Final = Unreadable("UNDECODABLE", "The record has no value.")
_NO_MARKER: Final = Unreadable("UNDECODABLE", "The value does not begin with Avro's single-object marker.")
_NO_FINGERPRINT: Final = Unreadable("UNDECODABLE", "The value ends within the fingerprint of its schema.")
_ENDS_EARLY: Final = Unreadable("UNDECODABLE", "The body ends before its record does.")
_TRAILING: Final = Unreadable("UNDECODABLE", "The body goes on after its record.")
_NOT_UTF8: Final = Unreadable("UNDECODABLE", "A text in the body is not valid UTF-8.")
_NO_SUCH_CHOICE: Final = Unreadable("UNDECODABLE", "An enum or a union in the body has no such choice.")
_NOT_ITS_SCHEMA: Final = Unreadable("UNDECODABLE", "The body is not what its schema says.")
#: Each byte of a body as a mark: it goes on in a number; it is zero; as a count it is less than none, of ten
#: items at the most; or it is any other.
_MARKS: Final = bytes(
    0x80 if byte >= 0x80 else 0 if byte == 0 else 2 if byte in range(1, 20, 2) else 1 for byte in range(256)
)
#: Without these no number is longer than it has to be: its last byte is zero, or it has lost bits.
_PADDED: Final = b"\x80\0"
_TOO_LONG: Final = b"\x80" * 9
#: Without this no list that comes in, nor any short one, is written in blocks with sizes.
_IN_BLOCKS: Final = b"\2"
_NO_ID: Final = Unreadable(
    "UNKNOWN_SCHEMA", "The value names its schema by the id of a schema registry, and none is known for it."
)
_UNKNOWN: Final = Unreadable("UNKNOWN_SCHEMA", "No schema with the value's fingerprint is known.")


class _Writer(Struct, frozen=True):
    """A schema that bytes were written with, ready to be read.

    strict: the schema in the form that takes no negative index (see `keyed`).
    resolved: the writer's schema and the reader's, where they differ.
    write: what writes its body, where it has lists or maps, whose sizes fastavro doesn't look at.
    well_formed: what goes through a body byte by byte.
    """

    name: str
    record: type[Struct]
    strict: Schema
    resolved: tuple[Schema, Schema] | None
    checks: Checks
    write: Write | None
    well_formed: Pass


class _Writers(dict[type[Struct], Write]):
    """What writes each kind of record, made when it is first asked for: a start shouldn't wait for it."""

    def __missing__(self, record: type[Struct]) -> Write:
        schema = SCHEMAS[record.__name__]
        write = self[record] = record_writer(schema, header_of(schema))
        return write


class Codec:
    """Encodes by the current schemas; decodes what was written by these, the earlier and the given ones."""

    def __init__(self, writers: Iterable[Schema] = ()) -> None:
        """writers: further Avro schemas that bytes may have been written with.

        Raises ValueError where one isn't the schema of a record that the gateway knows.
        """
        self._write = _Writers()
        #: By what values begin with that were written with it.
        self._writers = {header_of(schema): _earlier(schema) for schema in writers}

    @cached_property
    def _known(self) -> dict[bytes, Schema]:
        """The current and earlier schemas, by what values begin with: a start shouldn't wait for it."""
        return {header_of(schema): schema for schema in (*earlier_schemas(), *SCHEMAS.values())}

    def _writer(self, header: bytes) -> _Writer | None:
        """What values that begin with this were written with; None: nobody knows."""
        if header not in self._writers and (schema := self._known.get(header)) is not None:
            name = _record_named(schema)
            self._writers[header] = self._current(name) if schema is SCHEMAS[name] else _earlier(schema)
        return self._writers.get(header)

    def _current(self, name: str) -> _Writer:
        schema, record = SCHEMAS[name], RECORDS[name]
        listed = self._write[record] if _has_blocks(schema) else None
        return _Writer(name, record, keyed(schema), None, checks_of(schema), listed, passing(schema))

    def learn(self, schema: Schema) -> bytes:
        """Decode from now on what was written with this schema too; returns what its values begin with.

        Raises ValueError where it is no record's schema. A record that the gateway lacks stays unknown.
        """
        try:
            header = header_of(schema)
            if self._writer(header) is None and _record_named(schema) in RECORDS:
                self._writers[header] = _earlier(schema)
        except Exception as error:  # noqa: BLE001 - whatever it is, this schema made it
            raise ValueError(f"not an Avro schema ({type(error).__name__})") from None
        return header

    def encode(self, record: Struct) -> bytes:
        """The bytes of a record. Raises KeyError for a class that has no schema."""
        return self._write[type(record)](record)

    def decode(
        self, value: bytes | None, expected: Container[str], largest: int | None = LARGEST_BODY_BYTES
    ) -> Struct | Unreadable:
        """The record that `value` holds, or why there is none; no bytes whatever make it raise.

        expected: the names of the records that belong on the topic. A record comes in the form of the
        current schema, whatever schema it was written with. largest: how many bytes its body may have; None:
        any number, as for the gateway's own records: a dead letter holds what was too large.
        """
        if value is None:
            return _NO_VALUE
        if largest is not None and len(value) > HEADER_BYTES + largest:
            return _TOO_LARGE
        header = value[:HEADER_BYTES]
        writer = self._writers.get(header) or self._writer(header)
        if writer is None:
            return _without_writer(value)
        if writer.name not in expected:
            return Unreadable("UNKNOWN_SCHEMA", f"The record {writer.name} does not belong on this topic.")
        return _read(writer, value)


def _earlier(schema: Schema) -> _Writer:
    name = _record_named(schema)
    if name not in RECORDS:
        raise ValueError(f"The schema {name} is of no record that is known; take it out.")
    current = SCHEMAS[name]
    resolved = (parsed(schema), parsed(current))
    return _Writer(name, RECORDS[name], keyed(schema), resolved, checks_of(current), None, passing(schema))


def _record_named(schema: Schema) -> str:
    """The name, without a namespace, that a schema has; empty where it has none."""
    return str(schema.get("name", "")).rpartition(".")[2]


def _has_blocks(schema: object) -> bool:
    if isinstance(schema, dict):
        return schema.get("type") in ("array", "map") or any(map(_has_blocks, schema.values()))
    return isinstance(schema, list) and any(map(_has_blocks, schema))


def _without_writer(value: bytes) -> Unreadable:
    if value[:1] == WIRE_FORMAT and len(value) >= WIRE_FORMAT_BYTES:
        return _NO_ID
    if not value.startswith(MARKER):
        return _NO_MARKER
    return _NO_FINGERPRINT if len(value) < HEADER_BYTES else _UNKNOWN


def _read(writer: _Writer, value: bytes) -> Struct | Unreadable:
    try:
        stream = BytesIO(value)
        stream.seek(HEADER_BYTES)
        fields: Any = schemaless_reader(stream, writer.strict, None)
        if stream.tell() != len(value):
            return _TRAILING
        if writer.resolved is not None:
            # Second, and only now: when it resolves, fastavro passes over fields that the reader lacks
            # without looking whether their bytes are there.
            stream.seek(HEADER_BYTES)
            fields = schemaless_reader(stream, *writer.resolved)
        if not writer.checks.fit(fields):
            return Unreadable("UNDECODABLE", writer.checks.wrong(fields))
        record: Struct = convert(fields, writer.record)
        marks = value[HEADER_BYTES:].translate(_MARKS)
        if (
            marks.find(_PADDED) >= 0  # twice as quick as `in`
            or marks.find(_TOO_LONG) >= 0
            or writer.resolved is not None
            or (writer.write is not None and _IN_BLOCKS in marks and writer.write(record) != value)
        ):
            writer.well_formed(value, HEADER_BYTES)
        return record
    except NotWellFormed as error:
        return Unreadable("UNDECODABLE", str(error))
    except (EOFError, IndexError):
        return _ENDS_EARLY
    except UnicodeDecodeError:
        return _NOT_UTF8
    except KeyError:
        return _NO_SUCH_CHOICE
    except Exception:  # noqa: BLE001 - whatever it is, these bytes made it, and they must not stop a partition
        return _NOT_ITS_SCHEMA


def header_of(schema: Schema) -> bytes:
    """What the bytes of a record of this schema begin with: marker and fingerprint."""
    return MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def digest_of(value: bytes) -> bytes:
    """A hash of an encoded message, which distinguishes it from any other."""
    return blake2b(value, digest_size=DIGEST_BYTES).digest()


_CODEC: Final = Codec()
encode = _CODEC.encode
decode = _CODEC.decode
learn = _CODEC.learn

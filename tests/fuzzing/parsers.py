"""The parsers that a stranger can reach, each with inputs that it reads."""

import gzip
import io
import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import cramjam
import jwt
import msgspec
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from jwt.algorithms import ECAlgorithm
from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy

from consumers.drafting import caller_of, upload_of
from gateway.api.answering import wait_s_of
from gateway.api.callers.development import AUDIENCE, ISSUER, development_key
from gateway.api.callers.development import token as signed_token
from gateway.api.callers.verifying import TokenRefused, header_of, verify
from gateway.api.headers import best_of, takes_gzip
from gateway.api.problems import Problem
from gateway.api.request_id import request_id
from gateway.api.requests import content_type_of
from gateway.api.responses import has_already
from gateway.api.unpacking import Unpacking
from gateway.api.webhooks.addresses import checked_url
from gateway.backends.kafka.batches import Batches, RecordBatch
from gateway.backends.kafka.unpacking import unpacks
from gateway.intake.lines import InvalidLine, read_lines, split_lines
from gateway.intake.prap import read_download
from gateway.intake.prap.archive import InvalidDownload
from gateway.intake.uploads.export import csv_bytes
from gateway.intake.uploads.json_lines import read_json_lines
from gateway.intake.uploads.table import read_table
from gateway.intake.uploads.template import template_csv
from gateway.intake.uploads.uploaded_record import RECORDS
from gateway.reading.cursor import (
    CursorOfAnotherLog,
    NotACursor,
    cursor_at,
    cursor_behind,
    last_read,
    parse_cursor,
)
from gateway.rules.messages import RECORD_NAMED, TOPIC_OF
from gateway.rules.policy import shipped
from producers.trace import headers_of_trace, traceparent_of
from schemas.catalogue import SCHEMAS, earlier_schemas
from schemas.codec import HEADER_BYTES, Codec, Unreadable, encode
from schemas.codec import header_of as schema_header_of
from schemas.json import parse_day, to_json
from schemas.json_objects import decode_json, twice
from schemas.json_reader import InvalidJson, mistakes, parse
from tests.fuzzing.watching import Parser
from tests.kafka.raw_batches import batch, checked, compressed, records_of
from tests.schemas.examples import EXAMPLES

KEPT: Final = Path(__file__).parent / "corpus"
_CODEC: Final = Codec()
_TODAY: Final = parse_day("2016-03-18")
_LARGEST: Final = 256 * 1024
_TRACE: Final = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_ORDER: Final = {
    "po_number": "PO1001",
    "po_revision": "1",
    "po_type": "Information Session",
    "action_plan_annotation": "Work Programme Information Session-Voluntary",
    "referred_on": "2016-03-14",
    "provider_id": "PRV01",
    "contract_package_area": "CPA01",
    "jobcentre_id": "JCP-LEEDS",
    "benefit": "ESA",
    "claimant_group": "ESA_C_WRAG",
}


def parsers(folder: Path) -> list[Parser]:
    """All of them but HTTP itself, which is in http.py. folder: an empty one, for a key."""
    return [*_of_bytes(), *_of_files(), *_of_json(), *_of_callers(folder), *_of_requests(), *_of_topics()]


def _of_bytes() -> Iterator[Parser]:
    """Avro, by the gateway's own reader, and by fastavro where the writer's schema is an earlier one."""
    values = [encode(record) for record in EXAMPLES.values()]
    yield Parser("avro", lambda given: _again(_CODEC.decode(given, EXAMPLES)), values)
    earlier = [schema_header_of(schema) for schema in earlier_schemas()]
    resolved = [header + value[HEADER_BYTES:] for header in earlier for value in values]
    yield Parser("avro-earlier", lambda given: _CODEC.decode(given, EXAMPLES), resolved)
    # All that follows the fingerprint, for each record by turns: a damaged fingerprint leads nowhere.
    headers = [schema_header_of(schema) for schema in (*SCHEMAS.values(), *earlier_schemas())]

    def read_all(given: bytes) -> None:
        for header in headers:
            _CODEC.decode(header + given, EXAMPLES)

    yield Parser("avro-bodies", read_all, [value[HEADER_BYTES:] for value in values])


def _again(read: Struct) -> None:
    """What was read can be written, and is then the same."""
    if not isinstance(read, Unreadable):
        assert _CODEC.decode(encode(read), EXAMPLES, None) == read


def _of_files() -> Iterator[Parser]:
    rows = [[*_ORDER.values()], [*_ORDER.values()]]
    orders = csv_bytes(_ORDER, rows)
    seeds = []
    for how in (ZIP_DEFLATED, ZIP_STORED):
        zipped = io.BytesIO()
        with ZipFile(zipped, "w", how) as archive:
            archive.writestr("orders.csv", orders)
            archive.writestr("more.csv", orders.replace(b"PO1001", b"PO1002"))
        seeds.append(zipped.getvalue())

    def download(given: bytes, name: str) -> None:
        stream: Any = io.BufferedReader(io.BytesIO(given))
        for _ in read_download(stream, name=name, today=_TODAY, policies=shipped()):
            pass

    yield Parser("prap-zip", lambda given: download(given, "x.zip"), seeds, (InvalidDownload,))
    yield Parser("prap-csv", lambda given: download(given, "x.csv"), [orders], (InvalidDownload,))
    yield Parser("upload-csv", lambda given: list(read_table(given)), [template_csv(), orders])
    records = []
    for name in RECORDS:
        value = {"type": name} | json.loads(to_json(EXAMPLES[name]))
        del value["provider_id"]
        records.append(json.dumps(value).encode())
    yield Parser("upload-json", lambda given: list(read_json_lines(given)), [*records, b"\n".join(records)])
    lines = []
    for name, kind in RECORD_NAMED.items():
        value = json.loads(to_json(EXAMPLES[name]))
        line = {"at": "2016-03-14T09:00:00Z", "topic": TOPIC_OF[kind], "type": name, "value": value}
        lines.append(json.dumps(line).encode())
    yield Parser(
        "json-lines",
        lambda given: list(read_lines(split_lines(io.BytesIO(given)))),
        [*lines, b"\n".join(lines)],
        (InvalidLine,),
    )


class _NotJson(Exception):
    """A text is not JSON."""


def _of_json() -> Iterator[Parser]:
    def record(given: bytes) -> None:
        try:
            value = decode_json(given)
            twice(given, value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _NotJson from None
        for name in RECORD_NAMED:
            wrong = mistakes(name, value)
            try:
                parse(name, value)
            except InvalidJson as error:
                assert wrong, "it is refused, and nothing is wrong with it"
                str(error)
            else:
                assert not wrong, "it is taken, and something is wrong with it"

    yield Parser("json", record, [to_json(each) for each in EXAMPLES.values()], (_NotJson,))


def _of_callers(folder: Path) -> Iterator[Parser]:
    path = folder / "gateway.db.key"
    key = development_key(path)
    public = jwt.PyJWK(ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"alg": "ES256"})
    good = signed_token(
        path, providers=["PRV01", "PRV02"], scopes=["gateway:operate"], valid_for_s=2**32, now_s=0.0
    )

    def token(given: bytes) -> None:
        text = given.decode("latin-1")
        verify(text, header_of(text).key_id, public, issuer=ISSUER, audience=AUDIENCE)

    yield Parser("token", token, [good.encode()], (TokenRefused,))
    payload = json.dumps(jwt.decode(good, options={"verify_signature": False})).encode()
    yield Parser(
        "token-claims",
        lambda given: token(jwt.api_jws.encode(given, key, "ES256").encode()),
        [payload],
        (TokenRefused,),
    )
    head = json.dumps(jwt.get_unverified_header(good) | {"crit": ["b64"], "b64": False}).encode()

    def headed(given: bytes) -> None:
        encoded = urlsafe_b64encode(given).rstrip(b"=")
        token(encoded + b"." + b".".join(good.encode().split(b".")[1:]))

    yield Parser("token-header", headed, [head], (TokenRefused,))


def _request(headers: Mapping[str, str]) -> web.Request:
    """A request with these headers, which may have bytes that are no UTF-8 in them, as surrogates."""
    request = make_mocked_request("GET", "/")
    request._headers = CIMultiDictProxy(CIMultiDict(headers))
    return request


def _of_requests() -> Iterator[Parser]:
    """Headers as aiohttp gives them: text, in which bytes that are no UTF-8 are surrogates."""

    def text(given: bytes) -> str:
        return given[:8_190].decode("utf-8", "surrogateescape")

    def accept(given: bytes) -> None:
        request = _request({"Accept": text(given), "Accept-Encoding": text(given), "Prefer": text(given)})
        best_of(request, ["application/json", "text/csv", "text/event-stream"])
        takes_gzip(request)
        wait_s_of(request)

    yield Parser(
        "accept",
        accept,
        [
            b"text/csv;q=0.5, application/json, */*;q=0.1",
            b'respond-async, wait=5; foo="a\\"b", handling=lenient',
            b"gzip;q=1.0, identity; q=0.5, *;q=0",
        ],
    )

    def content_type(given: bytes) -> None:
        content_type_of(_request({"Content-Type": text(given)}))

    yield Parser(
        "content-type",
        content_type,
        [
            b"application/json; charset=utf-8",
            b"multipart/form-data; boundary=----x",
            b"text/csv; charset*=utf-8''utf-8; header*0*=x; header*1=y",
        ],
    )
    yield Parser(
        "if-none-match",
        lambda given: has_already(_request({"If-None-Match": text(given)}), "abc"),
        [b'"abc", W/"def"', b"*"],
    )

    def traced(given: bytes) -> None:
        parent, _, state = text(given).partition(" ")
        request_id(_request({"traceparent": parent, "tracestate": state}))

    yield Parser("traceparent", traced, [_TRACE, _TRACE + b" congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"])

    def cursor(given: bytes) -> None:
        for partitions, topics in ((1, 1), (3, 1), (15, 5)):
            try:
                found = parse_cursor(given.decode("utf-8", "surrogateescape"), partitions, topics)
            except (NotACursor, CursorOfAnotherLog):
                continue
            assert str(found).encode(errors="surrogateescape") == given
            last_read(found)

    cursors = [cursor_at((17,), [b"x"]), cursor_at((17, 0, 4), [b"x", b"", b"y"]), cursor_at((0,), [])]
    cursors.append(cursor_behind(tuple(range(15)), 3, b"x"))
    yield Parser("cursor", cursor, [str(each).encode() for each in cursors])
    yield Parser(
        "webhook-url",
        lambda given: checked_url(given.decode("utf-8", "surrogateescape"), local=True),
        [
            b"https://hooks.example/take?x=1",
            b"http://[::1]:8080/x",
            b"https://0x7f.1/",
            b"https://b\xc3\xbccher.example/",
        ],
        (Problem,),
    )

    def body(given: bytes) -> None:
        for coding in ("gzip", "deflate", "identity"):
            taking = Unpacking(coding, _LARGEST)
            try:
                for at in range(0, len(given), 1_000):
                    taking.take(given[at : at + 1_000])
                assert len(taking.whole()) <= _LARGEST
            except Problem:
                pass

    packed = [gzip.compress(b"a" * 2_000), zlib.compress(b"b" * 2_000), gzip.compress(b"\0" * 2**25)]
    yield Parser("packed-body", body, packed)


def _of_topics() -> Iterator[Parser]:
    """What whoever may write to an inbound topic can reach beside its values."""

    def headers(given: bytes) -> None:
        name, _, value = given.partition(b"=")
        found = ((name.decode("utf-8", "backslashreplace"), value),)
        caller_of(found)
        upload_of(found)
        traced = traceparent_of((*found, ("tracestate", value)))
        assert traced is None or traceparent_of(headers_of_trace(traced)) == traced

    seeds = [b"traceparent=" + _TRACE, b"caller=ab12", b"upload=ab12-7 3", b"tracestate=a=b,c@d=e"]
    yield Parser("record-headers", headers, seeds)
    plain = batch((b"PO1", encode(EXAMPLES["Referral"]), (("a", b"b"),)), (None, None, ()))
    rest = records_of(plain)
    gzipped = compressed(plain, 1, gzip.compress(rest))
    framed = compressed(plain, 3, bytes(cramjam.lz4.compress(rest)))
    zstd = compressed(plain, 4, bytes(cramjam.zstd.compress(rest)))
    snappy = compressed(plain, 2, bytes(cramjam.snappy.compress_raw(rest)))

    def batches(given: bytes) -> None:
        for data in (given, checked(given) if len(given) > 61 else given):
            found = Batches(data)
            read = 0
            while found.has_next() and read < 1_000:
                try:
                    each = found.next_batch()
                except Exception as error:
                    if type(error).__name__ in {"CorruptRecordException", "error"}:
                        return
                    raise
                read += 1
                if isinstance(each, RecordBatch):
                    for count, _ in enumerate(each):
                        if count > 10_000:
                            break

    yield Parser("kafka-batch", batches, [plain, gzipped, framed, zstd, snappy])
    unpack = unpacks(1024 * 1024)

    def unpacked(given: bytes) -> None:
        for each in unpack.values():
            try:
                assert len(each(given)) <= 1024 * 1024
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001 - whatever a library says: it is caught where it is called
                continue

    yield Parser("kafka-packed", unpacked, [records_of(each) for each in (gzipped, framed, zstd, snappy)])


def kept(name: str) -> list[bytes]:
    """The inputs that are kept of a parser."""
    folder = KEPT / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []

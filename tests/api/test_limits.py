"""What a stranger may make as large, deep, slow or frequent as they like has a limit, and a clear answer."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest

from gateway.api.limits import Limits
from gateway.api.requests import LARGEST_BODY
from tests.api.running import ACCEPTED, Client, Sandbox, sandbox
from tests.cli.running import Json
from tests.patience import PATIENCE_S

MINE = "UC-MANDATORY"
PATH = f"/v1/referrals/{MINE}/records"
#: What unpacks to a hundred times the largest body.
BOMB = b" " * (100 * LARGEST_BODY)


async def post(provider: Client, data: bytes, **headers: str) -> tuple[int, str]:
    """Post a body as a record; the status, and the code."""
    named = {"Content_Type": "application/json", "Idempotency_Key": "a"} | headers
    answer = await provider.ask("POST", PATH, data=data, **named)
    body = answer.json
    assert not any(word in (body.get("detail") or "") for word in ("Traceback", "Qz"))
    return answer.status, body.get("code") or body["status"]


async def test_a_body_that_is_too_large_is_refused(provider: Client) -> None:
    record = {"type": "ReferralRejected", "reason": "x", "rejected_at": ACCEPTED["accepted_at"]}
    fits, does_not = (json.dumps(record).encode().ljust(size) for size in (LARGEST_BODY, LARGEST_BODY + 1))
    assert await post(provider, does_not) == (413, "TOO_LARGE")
    assert await post(provider, fits, Prefer="wait=20") == (200, "APPLIED")


@pytest.mark.parametrize("packed", [gzip.compress(BOMB), zlib.compress(BOMB)], ids=["gzip", "deflate"])
async def test_a_body_that_unpacks_to_too_much_is_refused(packed: bytes, provider: Client) -> None:
    encoding = "gzip" if packed[:2] == b"\x1f\x8b" else "deflate"
    assert len(packed) < LARGEST_BODY
    assert await post(provider, packed, Content_Encoding=encoding) == (413, "TOO_LARGE")


def bare(body: bytes) -> bytes:
    """Packed as many take `deflate`: without what tells where it ends well."""
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


PACKED: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "GZip": (" GZip ", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "a bare deflate": ("deflate", bare),
    "not at all": ("identity", bytes),
}


@pytest.mark.parametrize("how", PACKED)
async def test_a_compressed_body_is_taken(how: str, provider: Client) -> None:
    coding, pack = PACKED[how]
    packed = pack(json.dumps(ACCEPTED).encode())
    assert await post(provider, packed, Content_Encoding=coding, Prefer="wait=20") == (200, "APPLIED")


async def test_a_compressed_body_may_come_in_parts(served: Sandbox, provider: Client) -> None:
    packed = gzip.compress(json.dumps(ACCEPTED).encode())

    async def parts() -> AsyncIterator[bytes]:
        for byte in packed:
            yield bytes([byte])

    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Idempotency-Key": "a"}
    headers |= {"Authorization": f"Bearer {provider.token}"}
    async with served.session.post(PATH, data=parts(), headers=headers) as answer:
        assert answer.status == 202


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "Qz", "*"])
async def test_a_body_that_is_packed_in_another_form_is_refused(coding: str, provider: Client) -> None:
    answer = await provider.ask(
        "POST", PATH, b"{}", Content_Type="application/json", Content_Encoding=coding, Idempotency_Key="a"
    )
    assert (answer.status, answer.code) == (415, "UNKNOWN_ENCODING")
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"
    assert b"Qz" not in answer.body


async def test_a_body_that_does_not_unpack_is_refused(tmp_path: Path) -> None:
    """Nor is one that was cut off, at whatever byte, taken for a shorter one that is whole."""
    body = json.dumps(ACCEPTED).encode()
    async with sandbox(tmp_path / "gateway.db") as served:
        provider = served.client()
        assert await post(provider, b"no gzip", Content_Encoding="gzip") == (400, "UNREADABLE_BODY")
        for coding, pack in (PACKED[how] for how in ("gzip", "deflate", "a bare deflate")):
            packed = pack(body)
            cut = [packed[:most] for most in range(len(packed))]
            again = () if coding == "gzip" else (packed + packed,)
            for wrong in (*cut, *again, packed + b"{", packed + bytes(1)):
                unpacked = await post(provider, wrong, Content_Encoding=coding)
                assert unpacked == (400, "UNREADABLE_BODY"), (coding, len(wrong))
        assert (await provider.record(MINE, "a")).status == 200


async def test_a_gzip_body_may_have_several_members(provider: Client) -> None:
    """As `cat a.gz b.gz` makes one."""
    body = json.dumps(ACCEPTED).encode()
    members = [gzip.compress(part) for part in (b"", body[:7], b"", body[7:], b"")]
    assert await post(provider, b"".join(members), Content_Encoding="gzip") == (202, "PENDING")
    for wrong in (b"".join(members)[:-1], b"".join((*members, members[0][:5])), members[0] * 1_500):
        assert await post(provider, wrong, Content_Encoding="gzip") == (400, "UNREADABLE_BODY")
    bomb = gzip.compress(b" " * (LARGEST_BODY // 2)) * 3
    assert await post(provider, bomb, Content_Encoding="gzip") == (413, "TOO_LARGE")


async def test_an_upload_that_was_cut_between_two_records_is_refused(
    served: Sandbox, provider: Client
) -> None:
    """Who packs may flush after a record; what is cut there unpacks to whole lines."""
    line = b'{"type":"GroupObjection","message_id":"m%d","po_number":"UC-MANDATORY","raised_at":"%b"}\n'
    at = str(ACCEPTED["accepted_at"]).encode()
    packing = zlib.compressobj(wbits=31)
    packed = packing.compress(line % (1, at)) + packing.flush(zlib.Z_SYNC_FLUSH)
    rest = packing.compress(line % (2, at)) + packing.flush()
    before = await served.records("provider.session-records")
    named = {"Content_Type": "application/jsonl", "Content_Encoding": "gzip"}
    answer = await provider.ask("POST", "/v1/uploads", packed, **named)
    assert (answer.status, answer.code) == (400, "UNREADABLE_BODY")
    assert await served.records("provider.session-records") == before
    answer = await provider.ask("POST", "/v1/uploads", packed + rest, **named)
    assert (answer.status, answer.json["records"]) == (202, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"ReferralAccepted"',
        b"1",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        json.dumps(ACCEPTED).encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"type":"ReferralAccepted"}{}',
        b'{"type":NaN}',
        b'{"type":1e999999}',
        b"{'type':'ReferralAccepted'}",
        b'{"type":"Referral\x00Accepted"}',
        b'{"type":"\xed\xa0\x80"}',
        b'{"type":"\\ud800"}',
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_no_json_object_is_refused(body: bytes, provider: Client) -> None:
    assert await post(provider, body) in {(400, "NOT_JSON"), (400, "INVALID_RECORD")}


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "ReferralAccepted"},
        {"type": "Referral"},
        {
            "type": "AttachmentRegistered",
            "attached_on": "2016-02-30",
            "attached_to": "WORK_PROGRAMME_REFERRAL",
        },
        {"type": ["ReferralAccepted"]},
        {"type": None},
        ACCEPTED | {"accepted_at": 1457946000000},
        ACCEPTED | {"accepted_at": "2016-03-14T09:00:00"},
        ACCEPTED | {"accepted_at": "9" * 10_000},
        ACCEPTED | {"Qz\n": 1},
        ACCEPTED | {"message_id": "b"},
        ACCEPTED | {"po_number": MINE},
        ACCEPTED | {"provider_id": "PRV01"},
        ACCEPTED | {"provider_id": None},
        {"type": "ExpenseReimbursed", "session_id": "S", "kind": "TRAVEL", "amount_pence": 10**30},
        {"type": "ExpenseReimbursed", "session_id": "S", "kind": "TRAVEL", "amount_pence": 1.5},
        {"type": "ExpenseReimbursed", "session_id": "S", "kind": "TRAVEL", "amount_pence": True},
    ],
    ids=lambda fields: json.dumps(fields)[:60],
)
async def test_what_is_no_record_is_refused(fields: Json, provider: Client) -> None:
    status, code = await post(provider, json.dumps(fields).encode())
    assert (status, code) == (400, "INVALID_RECORD") or (status == 403 and fields["provider_id"] is None)
    assert (await provider.get("/v1/messages/a")).status == 404


async def test_a_number_with_more_digits_than_there_are_is_refused(provider: Client) -> None:
    """Python reads no whole number of more than 4,300 digits."""
    body = b'{"type":"ReferralAccepted","accepted_at":%b}' % (b"1" * 10_000)
    assert await post(provider, body) in {(400, "NOT_JSON"), (400, "INVALID_RECORD")}


async def test_a_field_that_is_given_twice_is_refused(provider: Client) -> None:
    """One that reads the first, and one that reads the last, would take two records for one."""
    at = b'"accepted_at":"2016-03-14T0%d:00:00Z"'
    body = b'{"type":"ReferralAccepted",%b,%b}' % (at % 8, at % 9)
    assert await post(provider, body) == (400, "NOT_JSON")


@pytest.mark.parametrize("mark", [b"1", b'"\\""'])
async def test_a_body_of_any_depth_is_refused(mark: bytes, provider: Client) -> None:
    """What decodes it and what looks for fields that are there twice give up at different depths."""
    for depth in range(900, 1_010, 3):
        body = b'{"type":"ReferralAccepted","a":%b,"b":%b}' % (mark, b"[" * depth + b"]" * depth)
        assert await post(provider, body) in {(400, "NOT_JSON"), (400, "INVALID_RECORD")}, depth


async def test_text_may_hold_whatever_text_may(provider: Client) -> None:
    for number, reason in enumerate(("\0", "=1+1", "<b>", "\u202e", "💩", "\x1b[2J")):
        value = {"type": "ReferralRejected", "reason": reason, "rejected_at": ACCEPTED["accepted_at"]}
        answer = await provider.record(MINE, f"a{number}", value)
        assert answer.status in {200, 422}
    history = (await provider.get(f"/v1/referrals/{MINE}")).json["history"]
    assert [each["event"]["reason"] for each in history if each["event"].get("action") == "REJECT"] == ["\0"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", ""]
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(content_type: str, provider: Client) -> None:
    data = json.dumps(ACCEPTED).encode()
    assert await post(provider, data, Content_Type=content_type) == (415, "JSON_NEEDED")


@pytest.mark.parametrize(("path", "instead"), [(PATH, "the JSON"), ("/v1/uploads", "the file")])
async def test_to_who_sends_a_form_is_said_what_to_send_instead(
    path: str, instead: str, provider: Client
) -> None:
    answer = await provider.ask(
        "POST", path, b"--x--", Content_Type="multipart/form-data; boundary=x", Idempotency_Key="a"
    )
    assert f"(multipart); make {instead} itself the body, and send it " in answer.json["detail"]


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (PATH, "application/json"),
        ("/sandbox/messages", "application/json"),
        ("/v1/uploads", "text/csv"),
    ],
)
async def test_a_content_type_that_nobody_can_read_is_refused_like_another_one(
    path: str, media_type: str, provider: Client
) -> None:
    """Or its parameters are passed over, where nobody needs them."""
    for parameters in ("a*", "a*1*", ";a*", "charset*", "a" * 8_000, ";" * 8_000, '"', "charset=é", "=", ""):
        for content_type in (f"{media_type};{parameters}", f"{parameters};{media_type}"):
            answer = await provider.ask("POST", path, b"null", Content_Type=content_type, Idempotency_Key="a")
            assert answer.code in {"JSON_NEEDED", "NOT_JSON", "NOT_AN_UPLOAD", "UPLOAD_HAS_MISTAKES"}, (
                content_type
            )
            unreadable = len(content_type) > 200 or not content_type.startswith(media_type)
            if unreadable or (path == "/v1/uploads" and "charset" in parameters):
                assert answer.status == 415, content_type


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", "/v1/referrals"), ("GET", "/livez"), ("GET", "/nowhere")]
)
async def test_what_nobody_can_expect_is_a_problem_that_quotes_nothing(
    method: str, path: str, provider: Client
) -> None:
    answer = await provider.ask(method, path, Expect="Qzfoo")
    assert (answer.status, answer.code) == (417, "EXPECTATION_FAILED")
    assert b"Qz" not in answer.body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers.getall("Content-Type") == ["application/problem+json"]


async def raw(served: Sandbox, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which these have been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    return reader, writer


def head_of(provider: Client, path: str = PATH, *, content_type: str = "application/json") -> bytes:
    """The head of a request whose body is to have a thousand bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: 1000\r\nAuthorization: Bearer {provider.token}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (PATH, "application/json"),
        ("/v1/uploads", "application/jsonl"),
        ("/sandbox/clock", "application/json"),
    ],
)
async def test_a_body_that_comes_too_slowly_is_given_up(path: str, content_type: str, tmp_path: Path) -> None:
    """Who sends a byte now and then holds nothing for ever."""
    limits = Limits(body_s=0.2, upload_s=0.2, linger_s=0.1)
    async with sandbox(tmp_path / "gateway.db", limits=limits) as served:
        head = head_of(served.client(), path, content_type=content_type)
        reader, writer = await raw(served, head, b"{")
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := await _some(reader)):
                writer.write(b" ")
            # And the connection ends.
            with suppress(ConnectionResetError):
                while part := await reader.read(1000):
                    answer += part
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"TOO_SLOW" in answer
        writer.close()


async def _some(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(0.05):
            return await reader.read(10_000)
    except TimeoutError:
        return b""


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: "])
@pytest.mark.parametrize("before", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_connection_whose_headers_do_not_come_is_closed(
    before: bytes, sent: bytes, tmp_path: Path
) -> None:
    """Also where a request has come before; then it may be silent for longer."""
    async with sandbox(tmp_path / "gateway.db", limits=Limits(headers_s=0.3, idle_s=1)) as served:
        reader, writer = await raw(served, before)
        if before:
            await reader.readuntil(b"alive\n")
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_who_goes_away_in_the_middle_of_a_body_is_no_bug(served: Sandbox, provider: Client) -> None:
    """The log says nothing of it, and it is counted."""
    _, writer = await raw(served, head_of(provider), b"{")
    writer.transport.abort()
    assert (await provider.record(MINE, "a")).status == 200
    async with asyncio.timeout(PATIENCE_S):
        while b'status="gone"' not in (await provider.get("/metrics")).body:
            pass


def nothing_refills(path: Path, *, burst: int) -> AbstractAsyncContextManager[Sandbox]:
    """A sandbox in which no time passes for the buckets."""
    return sandbox(path, rate_per_s=1, rate_burst=burst, rate_clock_s=lambda: 0.0)


async def test_too_many_requests_are_answered_with_when_to_come_again(tmp_path: Path) -> None:
    async with nothing_refills(tmp_path / "gateway.db", burst=5) as served:
        provider, other = served.client(), served.client("PRV02")
        answers = [await provider.get("/v1/referrals") for _ in range(12)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 7
        assert {answer.code for answer in answers[5:]} == {"TOO_MANY_REQUESTS"}
        assert {answer.headers["Retry-After"] for answer in answers[5:]} == {"1"}
        # Each provider has its own, and those who watch the gateway need none.
        assert (await other.get("/v1/referrals")).status == 200
        assert (await provider.get("/livez")).status == 200


async def test_an_upload_costs_as_much_as_its_records(tmp_path: Path) -> None:
    lines = b"".join(
        b'{"type":"GroupObjection","message_id":"m%d","po_number":"UC-MANDATORY",'
        b'"raised_at":"2016-03-14T09:00:00Z"}\n' % number
        for number in range(20)
    )
    async with nothing_refills(tmp_path / "gateway.db", burst=10) as served:
        before = await served.records("provider.session-records")
        provider = served.client()
        assert (await provider.get("/v1/referrals")).status == 200
        answer = await provider.ask("POST", "/v1/uploads", data=lines, Content_Type="application/jsonl")
        assert (answer.status, answer.code) == (429, "TOO_MANY_REQUESTS")
        assert await served.records("provider.session-records") == before
    # The whole burst is enough for any upload.
    async with nothing_refills(tmp_path / "another.db", burst=10) as served:
        provider = served.client()
        answer = await provider.ask("POST", "/v1/uploads", data=lines, Content_Type="application/jsonl")
        assert (answer.status, answer.json["records"]) == (202, 20)


async def test_a_referral_takes_so_many_records_and_no_more(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db", limits=Limits(records_of_referral=4)) as served:
        await _fill(served.client())


async def _fill(provider: Client) -> None:
    known = 1  # the referral's own message
    objection = {"type": "GroupObjection", "raised_at": ACCEPTED["accepted_at"]}
    for number in range(known, 4):
        assert (await provider.record(MINE, f"a{number}", objection)).status == 200
    full = await provider.record(MINE, "b", objection)
    assert (full.status, full.code) == (409, "TOO_MANY_RECORDS")
    # What has come before is still answered.
    assert (await provider.record(MINE, "a1", objection)).status == 200

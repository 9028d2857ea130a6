"""Referrals: in pages that what comes moves not, one by one with their version, and only their provider's."""

import io
import json
from typing import Any

import pytest

from gateway.api.referrals import LARGEST_PAGE, STATUSES
from tests.api.conftest import lines
from tests.api.running import ACCEPTED, NOW, Client, Sandbox, booking, referral
from tests.cli.running import Json

MINE = "UC-MANDATORY"


async def pages(client: Client, query: str = "", limit: int = 7, after: str = "") -> list[Json]:
    """All of them, page by page, or those behind a cursor."""
    found: list[Json] = []
    cursor = after and f"&cursor={after}"
    while True:
        page = (await client.get(f"/v1/referrals?limit={limit}{query}{cursor}")).json
        found += page["referrals"]
        if page["next"] is None:
            return found
        assert len(page["referrals"]) == limit
        cursor = f"&cursor={page['next']}"


def order(found: list[Json]) -> list[tuple[str, str]]:
    return [(each["referred_on"], each["po_number"]) for each in found]


async def etag(provider: Client, po_number: str = MINE) -> str:
    answer = await provider.get(f"/v1/referrals/{po_number}")
    assert answer.status == 200
    return answer.headers["ETag"]


async def test_pages_hold_each_referral_once_the_newest_first(provider: Client) -> None:
    whole = await pages(provider, limit=LARGEST_PAGE)
    assert order(whole) == sorted(order(whole), reverse=True)
    assert len(whole) == len({each["po_number"] for each in whole}) > 40
    assert await pages(provider, limit=1) == await pages(provider, limit=7) == whole


async def test_referrals_that_come_between_two_pages_move_nothing(provider: Client) -> None:
    before = order(await pages(provider))
    first = (await provider.get("/v1/referrals?limit=10")).json
    await provider.new_referral("ZZ-NEWEST", referred_on="2016-03-14")
    await provider.new_referral("AA-OLDEST", referred_on="2016-01-04")
    rest = await pages(provider, after=first["next"])
    assert order(first["referrals"]) + order(rest) == [*before, ("2016-01-04", "AA-OLDEST")]


async def test_the_status_is_a_filter(provider: Client) -> None:
    whole = await pages(provider)
    by_status = {status: await pages(provider, f"&status={status}", 2) for status in STATUSES}
    assert by_status == {status: [each for each in whole if each["status"] == status] for status in STATUSES}
    assert sum(map(len, by_status.values())) == len(whole)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("status=LOST", "BAD_PARAMETER", "status"),
        ("limit=0", "BAD_PARAMETER", "limit"),
        (f"limit={LARGEST_PAGE + 1}", "BAD_PARAMETER", "limit"),
        ("limit=1.5", "BAD_PARAMETER", "limit"),
        ("limit=%D9%A1", "BAD_PARAMETER", "limit"),
        ("limit=" + "9" * 5_000, "BAD_PARAMETER", "limit"),
        ("cursor=x", "BAD_CURSOR", "cursor"),
        ("cursor=%00%FF", "BAD_CURSOR", "cursor"),
        ("cursor=%C3%A9", "BAD_CURSOR", "cursor"),
        ("cursor=ks9_____________oUE", "BAD_CURSOR", "cursor"),
        ("cursor=kgGj7aCA", "BAD_CURSOR", "cursor"),
        ("after=1", "UNKNOWN_PARAMETER", "after"),
        ("statsu=LOST", "UNKNOWN_PARAMETER", "statsu"),
        ("Qz+Surname=LOST", "UNKNOWN_PARAMETER", None),
        ("=1&=1", "UNKNOWN_PARAMETER", None),
        ("status=OPEN&status=JOINING", "BAD_PARAMETER", "status"),
    ],
)
async def test_a_parameter_that_is_wrong_is_refused(
    query: str, code: str, field: str | None, provider: Client
) -> None:
    answer = await provider.get(f"/v1/referrals?{query}")
    assert (answer.status, answer.code, answer.json.get("field")) == (400, code, field)
    assert query.partition("=")[2] not in answer.json["detail"] or len(query.partition("=")[2]) < 2


@pytest.mark.parametrize(("written", "meant"), [("statsu", "write status"), ("colour", "leave it out")])
async def test_what_is_like_a_parameter_leads_to_it(written: str, meant: str, provider: Client) -> None:
    answer = await provider.get(f"/v1/referrals?{written}=OPEN")
    assert f"; {meant}. It takes status, " in answer.json["detail"]


async def test_a_referral_is_that_of_the_provider_that_is_named(served: Sandbox, provider: Client) -> None:
    prime = served.client("PRV01", "PRV02")
    assert (await prime.get("/v1/referrals/UC-MANDATORY?provider_id=PRV01")).status == 200
    other = await prime.get("/v1/referrals/UC-MANDATORY?provider_id=PRV02")
    assert (other.status, other.code) == (404, "UNKNOWN_REFERRAL")


async def test_a_session_with_a_long_id_can_be_asked_for(provider: Client) -> None:
    """As long as an id may be."""
    await provider.record("UC-MANDATORY", "a")
    session_id = "S" * 100
    assert (await provider.record("UC-MANDATORY", "b", booking(session_id))).status == 200
    assert (await provider.get(f"/v1/sessions/{session_id}")).status == 200


async def test_a_referral_has_no_other_parameters(provider: Client) -> None:
    answer = await provider.get(f"/v1/referrals/{MINE}?fields=all")
    assert (answer.status, answer.code) == (400, "UNKNOWN_PARAMETER")


async def test_a_referral_says_all_that_is_known_of_it(provider: Client) -> None:
    await provider.record(MINE, "a")
    await provider.record(MINE, "b", booking("S1"))
    whole = (await provider.get(f"/v1/referrals/{MINE}")).json
    assert whole["participant"]["surname"] == "Participant"
    assert (whole["status"], whole["accepted"], whole["requirement"]) == ("OPEN", True, "MANDATORY")
    assert [each["session_id"] for each in whole["sessions"]] == ["S1"]
    assert {each["deadline"]: (each["due_on"], each["state"]) for each in whole["deadlines"]} == {
        "ACCEPTANCE": ("2016-03-16", "MET"),
        "SESSION": ("2016-03-29", "OPEN"),
        "WP11": ("2016-04-04", "OPEN"),
        "ATTACHMENT": ("2016-04-11", "OPEN"),
    }
    wp11 = next(each for each in whole["deadlines"] if each["deadline"] == "WP11")
    assert (wp11["passes_at"], wp11["rule"]) == ("2016-04-04T23:00:00Z", "WP19 ¶12")
    assert [each["type"] for each in whole["history"]] == [
        *("PrapAction", "Instruction", "Outcome"),
        *("PrapAction", "Outcome", "SessionEvent", "Outcome"),
    ]
    assert all(each["guidance"] for each in whole["history"] if each["rule"])
    # As `gateway explain` and the console say it.
    assert whole["history"][0]["says"] == "PRaP: acknowledge the referral"


async def test_the_etag_changes_when_something_changed_and_only_then(provider: Client) -> None:
    await provider.record(MINE, "a")
    tag = await etag(provider)
    await provider.record("UC-VOLUNTARY", "b")
    await provider.record(MINE, "a")  # which is known, and goes nowhere
    await provider.clock("2016-03-15T00:00:00Z")
    assert await etag(provider) == tag
    same = await provider.get(f"/v1/referrals/{MINE}", If_None_Match=tag)
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    seen = {tag}
    refused = await provider.record(MINE, "c")
    assert refused.status == 422
    seen.add(await etag(provider))
    await provider.record(MINE, "d", booking("S1"))
    seen.add(await etag(provider))
    await provider.clock("2016-04-12T00:00:00Z")
    seen.add(await etag(provider))
    assert len(seen) == 4
    changed = await provider.get(f"/v1/referrals/{MINE}", If_None_Match=tag)
    assert (changed.status, changed.json["status"]) == (200, "CANCELLED")


@pytest.mark.parametrize("form", ["{}", '"x", {}', '{},W/"y"', "*"])
async def test_a_version_that_is_known_is_not_sent_again(form: str, provider: Client) -> None:
    tag = await etag(provider)
    answer = await provider.get(f"/v1/referrals/{MINE}", If_None_Match=form.format(tag))
    assert answer.status == 304


async def test_two_referrals_have_no_version_in_common(provider: Client) -> None:
    """Nor a cache between them that could mistake one for the other."""
    listed = await pages(provider)
    tags = [await etag(provider, each["po_number"]) for each in listed]
    assert len(set(tags)) == len(tags)


async def test_an_answer_is_compressed_for_those_who_take_that(served: Sandbox, provider: Client) -> None:
    path = f"http://127.0.0.1:{served.port}/v1/referrals/{MINE}"
    headers = {"Authorization": f"Bearer {provider.token}", "Accept-Encoding": "gzip"}
    plain = await provider.get(f"/v1/referrals/{MINE}", Accept_Encoding="identity")
    assert "Content-Encoding" not in plain.headers
    async with served.session.get(path, headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert await answer.json() == plain.json


@pytest.mark.parametrize(
    ("takes", "compressed"),
    [
        ("gzip", True),
        ("deflate, GZIP", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0.01", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, identity", False),
        ("identity", False),
        ("x-gzip-like", False),
    ],
)
async def test_who_refuses_compression_gets_none(takes: str, compressed: bool, provider: Client) -> None:
    answer = await provider.get(f"/v1/referrals/{MINE}", Accept_Encoding=takes)
    assert ("Content-Encoding" in answer.headers) == compressed


async def test_answers_about_people_are_kept_by_no_cache(provider: Client) -> None:
    for path in ("/v1/referrals", "/v1/instructions", f"/v1/referrals/{MINE}"):
        control = (await provider.get(path)).headers["Cache-Control"]
        assert "no-store" in control or "private" in control


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/referrals/{}"), ("POST", "/v1/referrals/{}/records")],
)
async def test_another_providers_referral_is_not_there(
    method: str, path: str, served: Sandbox, provider: Client, logged: io.StringIO
) -> None:
    other = served.client("PRV02")
    answers = []
    for po_number in (MINE, "NO-SUCH-REFERRAL", "x" * 5_000, "%00", "%F0%9F%92%A9", "..%2F..%2Fetc"):
        headers: dict[str, str] = {"Idempotency_Key": "a"} if method == "POST" else {}
        answers.append(await other.send(method, path.format(po_number), ACCEPTED, **headers))
    assert {(answer.status, answer.body) for answer in answers} == {(404, answers[0].body)}
    assert answers[0].code == "UNKNOWN_REFERRAL"
    (line,) = lines(logged, "security.forbidden")
    assert (line["reason"], line["providers"]) == ("another_providers_referral", "PRV02")
    assert MINE not in json.dumps(line)
    assert (await other.get("/v1/messages/a")).status == 404
    assert not (await provider.get(f"/v1/referrals/{MINE}")).json["accepted"]


async def test_nobody_can_tell_by_the_metrics_that_a_referral_is_anothers(served: Sandbox) -> None:
    other, shown = served.client("PRV02"), []
    for po_number in ("NO-SUCH-REFERRAL", MINE, "NONE-EITHER"):
        assert (await other.get(f"/v1/referrals/{po_number}")).status == 404
        assert (await other.record(po_number, "a")).status == 404
        metrics = (await other.get("/metrics")).body.decode().splitlines()
        shown.append({line for line in metrics if line.startswith("gateway_callers_refused_total")})
    assert [{line for line in each if "not_theirs" in line} for each in shown] == [
        {f'gateway_callers_refused_total{{reason="not_theirs"}} {float(count)}'} for count in (2, 4, 6)
    ]
    assert len({frozenset(line for line in each if "not_theirs" not in line) for each in shown}) == 1


async def test_a_body_that_names_another_provider_goes_nowhere(provider: Client, logged: io.StringIO) -> None:
    answer = await provider.record(MINE, "a", ACCEPTED | {"provider_id": "PRV02"})
    assert (answer.status, answer.code) == (403, "ANOTHER_PROVIDER")
    assert [line["reason"] for line in lines(logged, "security.forbidden")] == ["body_names_another_provider"]
    assert (await provider.get("/v1/messages/a")).status == 404


async def test_of_a_special_customer_record_nothing_personal_is_left(provider: Client) -> None:
    await provider.new_referral("PO-1")
    tag = await etag(provider, "PO-1")
    assert (await provider.get("/v1/referrals/PO-1")).json["participant"]["surname"] == "Qzsurname"
    special = referral("PO-1", message_id="special", po_revision=2, special_customer_record=True)
    assert (await provider.message("prap.referrals", "Referral", special)).code == "SPECIAL_CUSTOMER_RECORD"
    answer = await provider.get("/v1/referrals/PO-1", If_None_Match=tag)
    assert (answer.status, answer.json["participant"]) == (200, None)
    assert b"Qz" not in answer.body
    assert (await provider.record("PO-1", "goes-on")).status == 200


async def test_a_list_says_nothing_of_people(provider: Client) -> None:
    await provider.new_referral("PO-1")
    assert b"Qz" not in (await provider.get("/v1/referrals?limit=200")).body


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/referrals", "GET,HEAD,POST"),
        ("DELETE", f"/v1/referrals/{MINE}", "GET,HEAD"),
        ("GET", f"/v1/referrals/{MINE}/records", "POST"),
        ("OPTIONS", "/v1/instructions", "GET,HEAD"),
        ("TRACE", "/v1/referrals", "GET,HEAD,POST"),
        ("PUT", "/v1/uploads", "POST"),
        ("POST", "/v1/delivery-plans", "GET,HEAD"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused(
    method: str, path: str, allowed: str, provider: Client
) -> None:
    answer = await provider.ask(method, path)
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == allowed


async def test_head_says_what_get_would(provider: Client) -> None:
    head = await provider.ask("HEAD", f"/v1/referrals/{MINE}", Accept_Encoding="identity")
    get = await provider.get(f"/v1/referrals/{MINE}", Accept_Encoding="identity")
    assert (head.status, head.body) == (200, b"")
    same: tuple[Any, ...] = ("ETag", "Content-Type", "Content-Length")
    assert [head.headers[name] for name in same] == [get.headers[name] for name in same]


async def test_who_shows_no_token_learns_nothing_of_paths(provider: Client) -> None:
    for path in ("/v1/referrals", "/v1/nowhere", f"/v1/referrals/{MINE}", "/v1/uploads"):
        answer = await provider.get(path, Authorization=None)
        assert (answer.status, answer.code) == (401, "TOKEN_MISSING")
    assert (await provider.get("/v1/nowhere")).code == "NOT_FOUND"


async def test_a_session_shows_who_was_booked_and_who_came(provider: Client) -> None:
    """10 are the optimum, and 20 may be invited (GSG ¶32)."""
    for number in range(12):
        await provider.new_referral(f"PO-{number:02}")
        await provider.record(f"PO-{number:02}", f"a-{number}")
        assert (await provider.record(f"PO-{number:02}", f"b-{number}", booking("GROUP"))).status == 200
    await provider.clock("2016-03-17T12:00:00Z")
    came = {"type": "AttendanceRecorded", "session_id": "GROUP", "outcome": "ATTENDED"}
    await provider.record("PO-03", "c", came | {"recorded_at": "2016-03-17T11:00:00Z"})
    cancelled = {"type": "SessionCancelled", "session_id": "GROUP", "reason": "Qz", "cancelled_at": NOW}
    await provider.record("PO-04", "d", cancelled)
    session = (await provider.get("/v1/sessions/GROUP")).json
    assert (session["booked"], session["attended"]) == (11, 1)
    assert (session["optimum"], session["invitations"]) == (10, 20)
    assert session["advisories"] == ["MORE_THAN_THE_OPTIMUM"]
    assert [each["po_number"] for each in session["bookings"]] == [f"PO-{n:02}" for n in range(12)]
    assert (await provider.get("/v1/sessions/NEVER")).code == "UNKNOWN_SESSION"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/referrals", "status=&cursor=&limit=&provider_id="),
        ("/v1/referrals", "status&cursor"),
        ("/v1/instructions", "after=&wait=&limit=&provider_id="),
        ("/v1/instructions", "after=&wait=0"),
        ("/v1/referrals", "due_before=&changed_since="),
        ("/v1/worklist", "cursor=&limit=&provider_id="),
        ("/v1/sessions/S1", "provider_id="),
        ("/v1/delivery-plans", "provider_id="),
    ],
)
async def test_a_parameter_without_a_value_is_as_if_it_was_left_out(
    path: str, query: str, provider: Client
) -> None:
    plain, with_it = await provider.get(path), await provider.get(f"{path}?{query}")
    assert (with_it.status, with_it.body) == (plain.status, plain.body)
    assert (await provider.get(f"{path}?{query}&other=")).code == "UNKNOWN_PARAMETER"
    assert (await provider.get(f"{path}?provider_id=&provider_id=")).code == "BAD_PARAMETER"

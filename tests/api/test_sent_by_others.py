"""What Jobcentres and PRaP send over HTTP: each once, about nobody else's referral, with all its mistakes."""

import asyncio
import io
from pathlib import Path

import pytest

from consumers import caller_of
from gateway.engine.log import Record
from tests.api.conftest import PERSONAL, lines
from tests.api.running import NOW, Client, Sandbox, referral, sandbox
from tests.cli.running import Json
from tests.intake.prap.downloads import csv_of, order, zip_of, zipped

WP11: Json = {
    "po_number": "UC-MANDATORY",
    "jobcentre_id": "JCP-LEEDS",
    "interview_on": "2016-03-14",
    "wants_to_join": True,
    "issued_on": "2016-03-14",
}
APPEAL: Json = {
    "type": "SupportGroupAppealChanged",
    "po_number": "UC-MANDATORY",
    "pending": True,
    "changed_on": "2016-03-14",
}
ANOTHER_SESSION: Json = {
    "type": "AlternativeSessionRequested",
    "po_number": "UC-MANDATORY",
    "jobcentre_id": "JCP-LEEDS",
    "requested_at": NOW,
}


@pytest.fixture
def jobcentre(served: Sandbox) -> Client:
    """JCP-LEEDS, whose the ready-made referrals are."""
    return served.jobcentre()


@pytest.fixture
def prap(served: Sandbox) -> Client:
    return served.prap()


async def sent(served: Sandbox, *topics: str) -> list[Record]:
    """What is on these topics that somebody sent over HTTP."""
    return [record for record in await served.records(*topics) if caller_of(record.headers)]


async def post(client: Client, path: str, key: str, value: Json, wait: int = 20) -> Json:
    """What came of it, which is decided in time."""
    answer = await client.send("POST", path, value, Idempotency_Key=key, Prefer=f"wait={wait}")
    assert answer.status == 200, answer.body
    found: Json = answer.json
    return found


def without_id(po_number: str, **fields: object) -> Json:
    value = referral(po_number, **fields)
    del value["message_id"]
    return value


async def test_a_wp11_is_decided_as_one_from_its_topic_and_can_be_asked_for(
    jobcentre: Client, served: Sandbox
) -> None:
    came = await post(jobcentre, "/v1/wp11s", "jcp-1", WP11 | {"po_number": "JSA-VOLUNTARY"})
    assert (came["message_id"], came["status"]) == ("jcp-1", "APPLIED")
    (record,) = await sent(served, "jobcentre.wp11")
    assert record.key == b"JSA-VOLUNTARY"
    asked = (await jobcentre.get(came["self"])).json
    assert (asked["status"], asked["decided_at"]) == ("APPLIED", came["decided_at"])
    # Nobody else's message is found by its id.
    for other in (served.client(), served.jobcentre("JCP-YORK"), served.prap()):
        assert (await other.get("/v1/messages/jcp-1")).code == "UNKNOWN_MESSAGE"


async def test_each_update_is_taken(jobcentre: Client) -> None:
    for number, value in enumerate((APPEAL, ANOTHER_SESSION)):
        answer = await jobcentre.send(
            "POST", "/v1/updates", value, Idempotency_Key=f"jcp-{number}", Prefer="wait=20"
        )
        assert answer.status in {200, 422}, answer.body
        assert answer.json.get("code") != "INVALID_MESSAGE"
    restricted = {
        "type": "GroupSessionRestrictionChanged",
        "po_number": "UC-MANDATORY",
        "restriction": None,
        "changed_on": "2016-03-14",
    }
    assert (await post(jobcentre, "/v1/updates", "jcp-9", restricted))["status"] == "APPLIED"


async def test_without_waiting_the_answer_is_where_its_outcome_will_be(
    jobcentre: Client, served: Sandbox
) -> None:
    answer = await jobcentre.send("POST", "/v1/updates", APPEAL, Idempotency_Key="jcp-1")
    assert (answer.status, answer.json["status"]) == (202, "PENDING")
    assert answer.headers["Location"] == answer.json["self"] == "/v1/messages/jcp-1"
    await served.ready()
    again = await post(jobcentre, "/v1/updates", "jcp-1", APPEAL)
    assert again["message_id"] == "jcp-1"
    assert len(await sent(served, "jobcentre.updates")) == 1


async def test_sent_again_it_is_taken_once_and_another_with_its_key_is_refused(
    jobcentre: Client, prap: Client, served: Sandbox
) -> None:
    new = without_id("PO-1")
    for client, path, value, other in (
        (jobcentre, "/v1/wp11s", WP11, WP11 | {"wants_to_join": False}),
        (jobcentre, "/v1/updates", APPEAL, APPEAL | {"pending": False}),
        (prap, "/v1/referrals", new, new | {"po_revision": 2}),
    ):
        key = path[4:]
        first, second = await asyncio.gather(
            *(client.send("POST", path, value, Idempotency_Key=key, Prefer="wait=20") for _ in range(2))
        )
        assert (first.status, first.body) == (second.status, second.body)
        refused = await client.send("POST", path, other, Idempotency_Key=key)
        assert (refused.status, refused.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    for topic in ("jobcentre.wp11", "jobcentre.updates"):
        assert len(await sent(served, topic)) == 1
    assert [each.key for each in await served.records("prap.referrals")].count(b"PO-1") == 1


async def test_a_key_is_that_of_one_sender(served: Sandbox, jobcentre: Client) -> None:
    """York sends another message with a key that Leeds has used: neither is told anything of the other's."""
    york = served.jobcentre("JCP-YORK")
    await served.client().new_referral("PO-YORK", jobcentre_id="JCP-YORK")
    await post(jobcentre, "/v1/updates", "k-1", APPEAL)
    assert (await post(york, "/v1/updates", "k-1", APPEAL | {"po_number": "PO-YORK"}))[
        "po_number"
    ] == "PO-YORK"
    assert (await jobcentre.get("/v1/messages/k-1")).json["po_number"] == "UC-MANDATORY"
    assert (await york.get("/v1/messages/k-1")).json["po_number"] == "PO-YORK"


async def test_one_id_on_a_purchase_order_is_decided_once_whoever_sent_it(
    prap: Client, jobcentre: Client
) -> None:
    """PRaP and a Jobcentre choose the same id: the second is a repetition, and has its own outcome."""
    assert (await post(prap, "/v1/referrals", "same", without_id("PO-1")))["status"] == "APPLIED"
    second = await post(jobcentre, "/v1/updates", "same", APPEAL | {"po_number": "PO-1"})
    assert second["status"] == "DUPLICATE"
    assert (await jobcentre.get("/v1/messages/same")).json["status"] == "DUPLICATE"
    assert (await prap.get("/v1/messages/same")).json["status"] == "APPLIED"


@pytest.mark.parametrize(
    ("path", "value"), [("/v1/wp11s", WP11), ("/v1/updates", APPEAL), ("/v1/updates", ANOTHER_SESSION)]
)
async def test_another_jobcentres_referral_is_one_that_there_is_not(
    path: str, value: Json, served: Sandbox, jobcentre: Client, logged: io.StringIO
) -> None:
    york = served.jobcentre("JCP-YORK")
    mine = value | ({"jobcentre_id": "JCP-YORK"} if "jobcentre_id" in value else {})
    answer = await york.send("POST", path, mine, Idempotency_Key="y-1")
    assert (answer.status, answer.code) == (404, "UNKNOWN_REFERRAL")
    (line,) = lines(logged, "security.forbidden")
    assert (line["reason"], line["jobcentres"]) == ("another_providers_referral", "JCP-YORK")
    assert await sent(served, "jobcentre.wp11", "jobcentre.updates") == []
    assert (await jobcentre.send("POST", path, value, Idempotency_Key="l-1")).status == 202


async def test_what_names_no_jobcentre_waits_for_no_referral_and_what_does_is_held(
    jobcentre: Client, prap: Client, served: Sandbox
) -> None:
    early = await jobcentre.send("POST", "/v1/updates", APPEAL | {"po_number": "PO-1"}, Idempotency_Key="1")
    assert (early.status, early.code) == (404, "UNKNOWN_REFERRAL")
    held = await jobcentre.send(
        "POST", "/v1/wp11s", WP11 | {"po_number": "PO-1"}, Idempotency_Key="2", Prefer="wait=1"
    )
    assert (held.status, held.json["status"]) in {(202, "HELD"), (202, "PENDING")}
    await post(prap, "/v1/referrals", "r-1", without_id("PO-1"))
    await served.ready()
    assert (await jobcentre.get("/v1/messages/2")).json["status"] == "APPLIED"


async def test_a_body_that_names_another_jobcentre_is_forbidden(
    jobcentre: Client, logged: io.StringIO
) -> None:
    value = WP11 | {"jobcentre_id": "JCP-YORK"}
    answer = await jobcentre.send("POST", "/v1/wp11s", value, Idempotency_Key="1")
    assert (answer.status, answer.code, answer.json["field"]) == (403, "ANOTHER_JOBCENTRE", "jobcentre_id")
    (line,) = lines(logged, "security.forbidden")
    assert line["reason"] == "body_names_another_jobcentre"


async def test_a_right_goes_no_further_than_its_scope(served: Sandbox) -> None:
    everybody = {
        "provider": served.client(),
        "jobcentre": served.jobcentre(),
        "prap": served.prap(),
    }
    for path, value, may, code in (
        ("/v1/wp11s", WP11, "jobcentre", "NOT_A_JOBCENTRE"),
        ("/v1/updates", APPEAL, "jobcentre", "NOT_A_JOBCENTRE"),
        ("/v1/referrals", without_id("PO-1"), "prap", "NOT_PRAP"),
    ):
        for name, client in everybody.items():
            answer = await client.send("POST", path, value, Idempotency_Key=path)
            assert answer.status == (202 if name == may else 403), (name, path)
            if name != may:
                assert answer.code == code
                assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    for name in ("jobcentre", "prap"):
        assert (await everybody[name].get("/v1/referrals")).code == "NOT_A_PROVIDER"
        assert (await everybody[name].get("/v1/instructions")).code == "NOT_A_PROVIDER"
    # A Jobcentre's id gives no right without the scope.
    for scopes in ([], ["prap:receive"]):
        assert (await served.jobcentre(scopes=scopes).get("/v1/messages/k")).code == "NO_RIGHTS"


async def test_all_that_is_wrong_with_a_body_is_said_at_once(
    jobcentre: Client, prap: Client, served: Sandbox, logged: io.StringIO
) -> None:
    bad = {"po_number": "", "jobcentre_id": "JCP-LEEDS", "interview_on": "31/02/2016", "issued": "QzQz"}
    answer = await jobcentre.send("POST", "/v1/wp11s", bad, Idempotency_Key="1")
    assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")
    assert [each["field"] for each in answer.json["mistakes"]] == [
        *("po_number", "interview_on", "wants_to_join", "issued_on", "issued"),
    ]
    assert answer.json["field"] == "po_number"
    participant = {"nino": 1, "surname": "Qzsurname", "birthday": "1980-05-17"}
    value = without_id(
        "PO-1", participant=participant, benefit="Qz", mandation={"basis": "JOBSEEKERS_DIRECTION"}
    )
    answer = await prap.send("POST", "/v1/referrals", value | {"message_id": "mine"}, Idempotency_Key="1")
    assert [each["field"] for each in answer.json["mistakes"]] == [
        *("message_id", "benefit", "mandation.recorded_on", "participant.nino", "participant.birthday"),
    ]
    for kind in ("Wp11", None, 7):
        answer = await jobcentre.send("POST", "/v1/updates", APPEAL | {"type": kind}, Idempotency_Key="1")
        assert [each["field"] for each in answer.json["mistakes"]] == ["type"]
    assert PERSONAL.search(logged.getvalue() + answer.body.decode()) is None
    assert await sent(served, "jobcentre.wp11", "jobcentre.updates") == []


async def test_prap_may_choose_the_ids_of_prap_and_others_may_not(prap: Client, jobcentre: Client) -> None:
    assert (await post(prap, "/v1/referrals", "prap-PO-1-1", without_id("PO-1")))["status"] == "APPLIED"
    answer = await jobcentre.send("POST", "/v1/wp11s", WP11, Idempotency_Key="prap-UC-MANDATORY-1")
    assert (answer.status, answer.code) == (400, "BAD_IDEMPOTENCY_KEY")


async def download(client: Client, content: bytes, key: str, **headers: str) -> Json:
    """What came of a download that is taken."""
    answer = await client.ask(
        "POST",
        "/v1/prap-downloads",
        content,
        **{"Content_Type": "application/zip", "Idempotency_Key": key, "Prefer": "wait=20"} | headers,
    )
    assert answer.status == 200, answer.body
    found: Json = answer.json
    return found


async def test_a_download_is_taken_as_feed_takes_it(prap: Client, served: Sandbox) -> None:
    rows = [order(f"PO-{number}") for number in range(3)]
    bad = order("PO9001", benefit="Qz", referred_on="31/02/2016")
    content = zip_of({"orders.csv": csv_of(*rows, order("WP-1", po_type="Work Programme"), bad)})
    taken = await download(prap, content, "d-1")
    assert [(each["po_number"], each["status"]) for each in taken["referrals"]] == [
        (f"PO-{number}", "APPLIED") for number in range(3)
    ]
    assert taken["passed_over"] == 1
    (listed,) = taken["bad_rows"]
    assert (listed["file"], listed["line"], listed["po_number"]) == ("orders.csv", 6, "PO9001")
    assert len(listed["problems"]) == 2
    assert (await served.client().get("/v1/referrals/PO-2")).status == 200
    assert (await prap.get(taken["referrals"][0]["self"])).json["status"] == "APPLIED"


async def test_a_download_sent_again_puts_nothing_and_another_with_its_key_is_refused(
    prap: Client, served: Sandbox
) -> None:
    content = zipped(order("PO-1"), order("PO-2"))
    first = await download(prap, content, "d-1")
    there = len(await served.records("prap.referrals"))
    assert await download(prap, content, "d-1") == first
    assert len(await served.records("prap.referrals")) == there
    other = await prap.ask(
        "POST",
        "/v1/prap-downloads",
        zipped(order("PO-3")),
        Content_Type="application/zip",
        Idempotency_Key="d-1",
    )
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    again = await download(prap, content, "d-2")
    assert [each["status"] for each in again["referrals"]] == ["DUPLICATE", "DUPLICATE"]
    await post(prap, "/v1/referrals", "d-3", without_id("PO-3"))
    # A key is that of one thing that is sent, of whatever kind.
    reused = await prap.send("POST", "/v1/referrals", without_id("PO-4"), Idempotency_Key="d-1")
    assert reused.code == "IDEMPOTENCY_KEY_REUSED"


async def test_the_key_of_a_download_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with sandbox(path) as made:
        await download(made.prap(), zipped(order("PO-1")), "d-1")
    async with sandbox(path) as made:
        prap = made.prap()
        answer = await prap.ask(
            "POST",
            "/v1/prap-downloads",
            zipped(order("PO-2")),
            Content_Type="application/zip",
            Idempotency_Key="d-1",
        )
        assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert (await prap.get("/v1/messages/prap-PO-1-1")).json["status"] == "APPLIED"


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"po_number\nPO1", "application/zip", 422, "INVALID_DOWNLOAD"),
        (zip_of({"orders.csv": b"Qz,nino\n1,AB123456C\n"}), "application/zip", 422, "INVALID_DOWNLOAD"),
        (zip_of({"../orders.csv": csv_of(order())}), "application/zip", 422, "INVALID_DOWNLOAD"),
        (zipped(order()), "text/csv", 415, "NOT_A_DOWNLOAD"),
        (zipped(*(order(f"PO-{number}") for number in range(10_001))), "application/zip", 413, "TOO_LARGE"),
    ],
    ids=["no zip", "other columns", "a path", "said to be CSV", "too many"],
)
async def test_what_is_no_download_is_refused_whole(
    content: bytes, kind: str, status: int, code: str, prap: Client, served: Sandbox, logged: io.StringIO
) -> None:
    before = await served.records("prap.referrals")
    answer = await prap.ask("POST", "/v1/prap-downloads", content, Content_Type=kind, Idempotency_Key="d")
    assert (answer.status, answer.code) == (status, code)
    assert PERSONAL.search(answer.body.decode() + logged.getvalue()) is None
    assert await served.records("prap.referrals") == before

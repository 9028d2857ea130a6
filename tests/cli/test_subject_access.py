"""What is held about somebody comes out whole, to whoever says why; nobody else's does."""

import asyncio
import json
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.embedded.file import Moved
from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Draft
from gateway.explain.subject_access import SUBJECT_ACCESS, TooMuchHeld, all_about
from gateway.reading.tables import LogTables
from schemas.json import parse_instant
from tests.cli.conftest import Gateway
from tests.cli.running import Ended, Json, json_lines, record, referral
from tests.sealing.marks import IN_CONTRACT, NINO, marks_in, story

REASON = "asked in writing"
#: After all of `story`; more than 400 days after it.
DECIDED = "2016-05-01T00:00:00Z"
FORGOTTEN = "2017-05-01T00:00:00Z"


def about(gateway: Gateway, po_number: str, *options: str) -> Json:
    ended = gateway("subject-access", po_number, "--reason", REASON, *options)
    assert ended.status == 0, ended.err
    (found,) = ended.lines
    return found


def run(gateway: Gateway, lines: list[Json], until: str = DECIDED) -> None:
    lines = sorted(lines, key=lambda line: str(line["at"]))
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(lines)).status == 0
    assert gateway("run", "--clock", "log", "--until", until).status == 0


def put(folder: Path, drafts: list[Draft]) -> None:
    async def work() -> None:
        log = await open_embedded(folder / "gateway.db", tables=LogTables())
        try:
            await log.append(drafts)
        finally:
            await log.close()

    asyncio.run(work())


def acts(gateway: Gateway) -> list[Json]:
    """What is on gateway.audit, by the acts that an export has of it."""
    return [act for act in about(gateway, "PO1")["acts"] if act["act"] == SUBJECT_ACCESS]


def another() -> list[Json]:
    """A referral that has other texts in it."""
    at = "2016-04-14T09:00:00Z"
    return [
        referral(at, "PO2", referred_on=at[:10], participant={"forename": "Zzother", "surname": "Zzother"}),
        record("ReferralRejected", at, po_number="PO2", rejected_at=at, reason="Zzother"),
    ]


def test_each_text_about_the_participant_is_in_it_and_none_about_another(
    gateway: Gateway, tmp_path: Path
) -> None:
    """Whatever the schemas have for one: in the messages, and in the state and events what these keep."""
    lines = [*story(), *another()]
    run(gateway, lines)
    at = parse_instant(DECIDED)
    poison = [
        Draft("jobcentre.wp11", b"PO1", b"Qzmark poison", (("trace", b"Qzmark header"),), at),
        Draft("jobcentre.wp11", b"PO2", b"Zzother", (), at),
    ]
    put(tmp_path, poison)
    assert gateway("run", "--clock", "log", "--until", DECIDED).status == 0
    ended = gateway("subject-access", "PO1", "--reason", REASON)
    assert b"Zzother" not in ended.out
    (found,) = ended.lines
    said = json_lines([line for line in lines if line["value"]["po_number"] == "PO1"])
    assert len(marks_in(said)) > 15
    assert marks_in(said) <= marks_in(json.dumps(found["messages"]).encode())
    ids = [message["value"]["message_id"] for message in found["messages"] if "value" in message]
    assert ids == [line["value"]["message_id"] for line in story()]
    person = lines[0]["value"]["participant"]
    assert found["state"]["referral"]["participant"] == person
    assert found["standing"] == "CANCELLED"
    assert found["messages"][-1]["headers"] == [{"name": "trace", "value": "Qzmark header"}]
    (letter,) = found["dead_letters"]
    assert letter["record"]["value_base64"] == found["messages"][-1]["value_base64"]
    decided_at = [event["at"] for event in found["events"]]
    assert decided_at == sorted(decided_at)
    assert {event["type"] for event in found["events"]} >= {"Outcome", "SessionEvent", "CancellationEvent"}
    assert {event["value"]["po_number"] for event in found["events"]} == {"PO1"}
    (side,) = found["read_side"]
    assert [row["session_id"] for row in side["booking"]] == ["S1", "S2"]
    assert [row["po_number"] for row in side["referral"]] == ["PO1"]
    assert len(side["messages"]) == len(found["messages"])
    assert not [row for row in side["messages"] if "value" in row], "they stand among the messages"


def test_the_look_is_kept_before_anything_is_printed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With who it was, and why; what can't be kept is not shown."""
    monkeypatch.setenv("LOGNAME", "somebody")
    run(gateway, [referral()])
    assert acts(gateway) == []
    (first,) = acts(gateway)
    assert (first["po_number"], first["reason"]) == ("PO1", REASON)

    async def by() -> list[Any]:
        log = await open_embedded(Path("gateway.db"), tables=LogTables())
        try:
            records = log.follow(["gateway.audit"], from_start=True, wait=False)
            return [json.loads(record.value or b"") async for record in records]
        finally:
            await log.close()

    assert {each["by"] for each in asyncio.run(by())} == {"somebody"}


def test_a_look_that_can_not_be_kept_shows_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """As on a log that is moved to another one, where nothing is put any more."""
    run(gateway, [referral(participant={"nino": NINO})])
    move(tmp_path)
    ended = gateway("subject-access", "PO1", "--reason", REASON, "--html", "page.html")
    assert ended.status == 1
    assert ended.out == b""
    assert not Path("page.html").exists()


def move(folder: Path) -> None:
    """Have an embedded log stand as one that was moved."""

    async def work() -> None:
        log = await open_embedded(folder / "gateway.db", tables=LogTables())
        try:
            await log.file.run(lambda: log.file.mark_moved(Moved("kafka://elsewhere", 0, 0)))
        finally:
            await log.close()

    asyncio.run(work())


class Tags(HTMLParser):
    """The tags of a page, with what they load, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_the_same_loads_nothing_and_escapes_what_came(gateway: Gateway) -> None:
    """Only its owner can read it."""
    script = "<script>alert(1)</script>"
    lines = story()
    lines[0]["value"]["participant"]["forename"] = script
    run(gateway, lines)
    found = about(gateway, "PO1", "--html", "page.html")
    page = Path("page.html").read_bytes()
    assert stat.S_IMODE(Path("page.html").stat().st_mode) == 0o600
    read = Tags()
    read.feed(page.decode())
    assert "script" not in read.tags
    assert script in read.text
    assert not read.attributes & {"src", "href", "onload", "onerror", "style", "srcset"}
    assert b"url(" not in page
    assert b"@import" not in page
    assert marks_in(json.dumps(found).encode()) == marks_in(read.text.encode())


def test_a_page_is_a_new_file(gateway: Gateway) -> None:
    run(gateway, [referral()])
    Path("there.html").write_text("mine")
    ended = gateway("subject-access", "PO1", "--reason", REASON, "--html", "there.html")
    assert (ended.status, ended.out) == (2, b"")
    assert ended.sentence == "there.html is there already; name a new file for the page"
    assert Path("there.html").read_text() == "mine"
    ended = gateway("subject-access", "PO1", "--reason", REASON, "--html", "nowhere/page.html")
    assert ended.sentence == "there is no folder nowhere; make it first, or name another file"
    assert acts(gateway) == [], "nothing was looked at"


def test_of_who_is_forgotten_what_is_left_is_printed_and_said(gateway: Gateway) -> None:
    lines = story()
    run(gateway, [*lines, referral(FORGOTTEN, "PO2", referred_on=FORGOTTEN[:10])], until=FORGOTTEN)
    ended = gateway("subject-access", "PO1", "--reason", REASON)
    assert ended.status == 0
    assert ended.err == "this referral was forgotten; what is printed is all that is left\n"
    (found,) = ended.lines
    assert found["standing"] == "FORGOTTEN"
    assert (found["state"], found["messages"], found["dead_letters"]) == (None, [], [])
    assert found["events"], "they stay"
    assert marks_in(ended.out) <= IN_CONTRACT
    assert found["read_side"][0].keys() == {"file", "messages"}, "by their ids alone"
    assert not [row for row in found["read_side"][0]["messages"] if "value" in row]


def test_what_waits_for_its_referral_is_held_too(gateway: Gateway) -> None:
    at = "2016-03-14T09:00:00Z"
    run(gateway, [record("ReferralRejected", at, rejected_at=at, reason="Qzmark waits")], until=at)
    found = about(gateway, "PO1")
    assert found["standing"] == "HELD"
    assert [each["value"]["reason"] for each in found["state"]["held"]] == ["Qzmark waits"]


def test_a_refused_referral_was_never_kept_and_its_message_is(gateway: Gateway) -> None:
    run(gateway, [referral(action_plan_annotation="something else", participant={"nino": NINO})])
    found = about(gateway, "PO1")
    assert (found["standing"], found["state"]) == ("NOT_KEPT", None)
    assert found["messages"][0]["value"]["participant"]["nino"] == NINO


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (
            ("PO9", "--reason", REASON),
            1,
            "nothing is held about this purchase order on the log gateway.db; check its number",
        ),
        (("PO\udcff", "--reason", REASON), 2, "the number is no text in UTF-8; check it"),
        (("PO1", "--reason", " "), 2, "--reason says nothing; say why you look at this"),
        (
            ("PO1", "--reason", "x" * 1_001),
            2,
            "--reason is longer than 1,000 characters; say it more briefly",
        ),
    ],
)
def test_what_can_not_be_answered_is_said(
    gateway: Gateway, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    run(gateway, [referral()])
    ended: Ended = gateway("subject-access", *arguments)
    assert (ended.status, ended.out, ended.sentence) == (status, b"", sentence)
    assert acts(gateway) == []


def test_who_sends_a_number_messages_without_end_does_not_fill_the_memory(gateway: Gateway) -> None:
    run(gateway, story())

    async def work() -> None:
        log = await open_embedded(Path("gateway.db"), tables=LogTables())
        try:
            await all_about(log, "PO1", None, {}, 0, most_records=5)
        finally:
            await log.close()

    with pytest.raises(TooMuchHeld, match="more than 5 records, or 256 MiB, are held under this number; "):
        asyncio.run(work())


def test_days_and_instants_of_a_state_are_text_as_in_messages(gateway: Gateway) -> None:
    run(gateway, story())
    referred = about(gateway, "PO1")["state"]["referral"]
    assert referred["referred_on"] == "2016-03-14"
    assert referred["closed_at"] == "2016-04-04T23:00:00Z"

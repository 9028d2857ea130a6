"""Nothing about a person comes out: a programme whose every personal field is marked, through everything.

What may hold marks, by contract: the dead letter's key, value and headers, which are the original bytes; the
state in the log, which nobody reads; and what --debug shows. Free text (reasons, places) is passed on to
those whom it is for, and must not reach a log, an error or `explain` either.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Draft
from gateway.engine.purchase_orders import PurchaseOrders, unpack
from gateway.intake.lines import read_lines
from gateway.reading.tables import LogTables
from gateway.rules.decide import Decision
from gateway.rules.messages import RECORD_NAMED, Participant
from schemas.catalogue import SCHEMA_OF, SCHEMAS, about_a_person
from schemas.codec import encode
from schemas.json import parse_instant
from tests.cli.conftest import Gateway
from tests.cli.running import Ended, Json, json_lines, referral
from tests.oracle.programmes import programme
from tests.sealing.opening import looking_into

#: All marks: texts have Qz in them, numbers are ZY and six digits, births lie in 1910 to 1919.
PERSONAL = re.compile(rb"Qz|ZY[0-9]{6}|191[0-9]-[01][0-9]-[0-3][0-9]")
FREE_TEXT = re.compile(rb"Jx[0-9]")
#: Texts about a person that stand outside the participant, by the classes in the schemas.
FREE_TEXT_FIELDS = sorted(
    field["name"]
    for name in RECORD_NAMED
    for field in SCHEMAS[name]["fields"]
    if field["data_class"] != "operational" and field["type"] in ("string", ["null", "string"])
)


def marked(lines: list[Json]) -> list[Json]:
    """The same programme; every second referral has a malformed number, so that it is refused."""
    numbers = count(1)
    for line in lines:
        value = line.get("value", {})
        if "participant" in value:
            n = next(numbers)
            value["participant"] = {
                "nino": f"ZY{n:06}A" if n % 2 else f"ZY{n:06}-Qz",
                "forename": f"Qzforename{n}",
                "surname": f"Qzsurname{n}",
                "date_of_birth": f"191{n % 10}-0{n % 9 + 1}-11",
                "phone": f"Qzphone{n}",
                "email": f"Qzemail{n}@example.org",
                "address": [f"{n} Qzstreet", "Qztown"],
                "postcode": f"Qz{n}",
                "preferred_language": f"Qzlanguage{n}",
                "interpreter_needed": bool(n % 3),
            }
            assert value["participant"].keys() == about_a_person(SCHEMA_OF[Participant]), "each has a mark"
        for field in FREE_TEXT_FIELDS:
            if value.get(field):
                value[field] = f"Jx{next(numbers)} {field}"
    return lines


def made_up(gateway: Gateway) -> list[Json]:
    """A believable programme, and one that aims at the rulebook's edges, one after the other."""
    sample = [
        json.loads(line) for line in gateway("sample", "--referrals", "200", "--seed", "3").out.splitlines()
    ]
    last = sample[-1]["at"]
    edges = [line for line in programme(78, 40) if line["at"] > last]
    assert edges
    return sample + edges


def poison(at: int) -> Iterator[Draft]:
    """Records that can't be read, with personal data wherever it can be."""
    line = marked([referral(po_number="PO-poison")])[0]
    (understood,) = read_lines([json_lines([line])])
    assert understood.message is not None
    good = encode(understood.message)
    headers = (("traceparent", b"Qzheader"), ("Qzname", b"Qzheader"))
    topic = "prap.referrals"
    yield Draft(topic, b"PO-poison", good[:-4], headers, at)
    yield Draft(topic, b"PO-poison", good + b"Qz", headers, at)
    yield Draft(topic, b"Qzkey", good, headers, at)
    yield Draft(topic, b"PO-poison", b"Qz, born 1911-11-11, ZY123456A", headers, at)
    yield Draft(topic, b"PO-poison", good[:2] + b"Qzqzqzqz" + good[10:], headers, at)
    yield Draft(topic, b"PO-poison", good + b"Qz" * 1024 * 1024, headers, at)
    yield Draft("jobcentre.wp11", b"PO-poison", good, headers, at)


async def put(path: Path, drafts: list[Draft]) -> None:
    log = await open_embedded(path, tables=LogTables())
    try:
        await log.append(drafts)
    finally:
        await log.close()


def raising_on(po_numbers: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that raise on some messages and deadlines, and say what they shouldn't."""
    decide, fall_due = PurchaseOrders.decide, PurchaseOrders.fall_due

    def decide_or_raise(self: PurchaseOrders, message: Any, *rest: Any) -> Decision:
        if message.po_number in po_numbers:
            raise ValueError(f"Qz {message.po_number}: {message}")
        return decide(self, message, *rest)

    def fall_due_or_raise(self: PurchaseOrders) -> tuple[str, Decision]:
        po_number, decision = fall_due(self)
        if po_number.endswith("7"):
            raise KeyError("Qz")
        return po_number, decision

    monkeypatch.setattr(PurchaseOrders, "decide", decide_or_raise)
    monkeypatch.setattr(PurchaseOrders, "fall_due", fall_due_or_raise)


def test_dead_letters_show_nothing_of_a_person_unless_it_is_asked_for(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does what is logged, or said, about putting them back and discarding them."""
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "debug")
    last = "2016-03-14T09:00:00Z"
    asyncio.run(put(tmp_path / "gateway.db", list(poison(parse_instant(last)))))
    assert gateway("run", "--clock", "log", "--until", last).status == 0
    ids = [line["id"] for line in gateway("dead-letters", "list").lines]
    assert len(ids) == 7
    said = [
        *(gateway("dead-letters", "show", name) for name in ids),
        gateway("dead-letters", "replay", "--all"),
        gateway("dead-letters", "replay", *ids[:4], "--anyway"),
        gateway("run", "--clock", "log", "--until", last),
        gateway("dead-letters", "discard", *ids[4:]),
        gateway("dead-letters", "replay", "--all"),
        gateway("dead-letters", "list", "--all"),
    ]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    said += [gateway("dead-letters", "list", "--all")]
    said += [gateway("dead-letters", "show", name) for name in ids]
    assert b"failed again" in said[-1 - len(ids)].out
    for ended in said:
        assert not PERSONAL.search(ended.out + ended.err.encode())
    assert PERSONAL.search(b"".join(gateway("dead-letters", "show", name, "--value").out for name in ids))


def without_original_bytes(line: Json) -> Json:
    """A line of `tail` without what a dead letter holds byte for byte."""
    if line["type"] != "DeadLetter":
        return line
    kept = {name: value for name, value in line["value"].items() if name not in {"key", "value", "headers"}}
    return line | {"key": None, "value": kept}


def test_nothing_about_a_person_comes_out(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "debug")
    lines = marked(made_up(gateway))
    given = json_lines(lines)
    assert len(PERSONAL.findall(given)) > 2_000
    last = lines[-1]["at"]
    for_people: list[Ended] = []

    replayed = gateway("replay", "--until", last, stdin=given)
    (tmp_path / "policy.toml").write_text("[[policy]]\nfrom = 2011-06-01\nwp11_within_days = 25\n")
    for_people.append(gateway("replay", "--summary", stdin=given))
    for_people.append(gateway("replay", "--diff", "policy.toml", stdin=given))

    fed = gateway("feed", "--keep-time", "-", stdin=given)
    raised = {line["value"]["po_number"] for line in lines[::40] if "value" in line}
    with monkeypatch.context() as patched:
        raising_on(raised, patched)
        asyncio.run(put(tmp_path / "gateway.db", list(poison(parse_instant(last)))))
        ran = gateway("run", "--clock", "log", "--until", last)
    again = gateway("run", "--clock", "log", "--until", last)
    tailed = gateway("tail", "--from-start", "--no-follow")
    for ended in (replayed, *for_people, fed, ran, again, tailed):
        assert ended.status == 0, ended.err
    shown = [*sorted(raised)[:5], *sorted({line["key"] for line in replayed.lines})[::60], "PO-poison"]
    for_people += [gateway("explain", po_number) for po_number in shown]
    monkeypatch.setenv("GATEWAY_LOG_EVENTS", "all")
    for_people += [
        gateway("tail", "--as-log", "--from-start", "--no-follow"),
        gateway("list"),
        gateway("list", "--refused"),
    ]
    assert all(ended.out for ended in for_people)

    for event in (
        "message.refused",
        "message.duplicate",
        "message.held",
        "message.applied",
        "referral.cancelled",
        "sanction.raised",
        "breach.cleared",
        "instruction.sent",
        "gateway.summary",
        "message.dead_lettered",
        "message.failed",
        "deadline.fell_due",
        "deadline.failed",
        "step.committed",
    ):
        assert f'"event":"{event}"' in ran.err, f"{event} was to be provoked"
    dead = [line for line in tailed.lines if line["type"] == "DeadLetter"]
    assert {line["value"]["code"] for line in dead} == {
        "UNKNOWN_SCHEMA",
        "UNDECODABLE",
        "KEY_MISMATCH",
        "TOO_LARGE",
        "FAILED",
    }

    for ended in (replayed, *for_people, fed, ran, again, tailed):
        assert not PERSONAL.search(ended.err.encode())
        assert not FREE_TEXT.search(ended.err.encode())
    for ended in for_people:
        assert not PERSONAL.search(ended.out)
        assert not FREE_TEXT.search(ended.out)
    assert not PERSONAL.search(replayed.out)
    assert FREE_TEXT.search(replayed.out), "reasons are passed on"
    for line in tailed.lines:
        assert not PERSONAL.search(json.dumps(without_original_bytes(line)).encode())

    with looking_into(tmp_path / "gateway.db") as db:
        originals = [
            row[0]
            for row in db.execute(
                "SELECT opened('dead letter', '', value) FROM outbound WHERE topic = 'gateway.dead-letters'"
            )
        ]
        for topic, *parts in db.execute("SELECT topic, key, value, headers FROM outbound"):
            if topic != "gateway.dead-letters":
                assert not any(PERSONAL.search(part) for part in parts)
            else:
                assert not PERSONAL.search(parts[2]), "the headers of a dead letter are the gateway's own"
        opened = "SELECT opened('state', po_number, state) FROM state"
        states = [unpack(state) for (state,) in db.execute(opened)]
    assert PERSONAL.search(b"".join(originals)), "the search finds what is there"
    assert any(order.referral is not None and order.referral.participant for order in states)
    assert not any(PERSONAL.search(repr(order).encode()) for order in states)


def test_an_error_about_a_line_shows_nothing_of_it(gateway: Gateway) -> None:
    good = json_lines(marked([referral()]))
    for wrong in (
        good[:-3],
        good.replace(b'"Qzsurname1"', b"1911"),
        good.replace(b"-11", b"-32"),
        good.replace(b"Qzforename1", b"\xff"),
        good.replace(b"Qzforename1", b"\\ud800"),
        good.replace(b'"at"', b'"Qz at 1"'),
        good.replace(b'"forename"', b'"Qz forename"'),
        good.replace(b'"Referral"', b'"Qz"'),
        good.replace(b"prap.referrals", b"Qz"),
        good.replace(b'"ESA"', b'"Qz"'),
        good.replace(b"2016-03-14T09:00:00Z", b"Qz 1911-11-11"),
        good.replace(b'"PO1"', b'{"Qz":"ZY123456A"}'),
    ):
        assert wrong != good
        for command in (["replay"], ["feed", "-"]):
            ended = gateway(*command, stdin=wrong)
            assert ended.status == 2
            assert ended.out == b""
            assert not PERSONAL.search(ended.sentence.encode())


def test_what_could_be_put_in_a_trace_or_a_log_shows_nothing_of_a_person() -> None:
    (line,) = read_lines([json_lines(marked([referral()]))])
    assert line.message is not None
    participant = line.message.participant  # type: ignore[union-attr]
    assert isinstance(participant, Participant)
    assert participant.forename == "Qzforename1"
    for shown in (participant, line.message, line, ValueError(line.message), Decision(None, [])):
        assert not PERSONAL.search(repr(shown).encode())
        assert not PERSONAL.search(str(shown).encode())

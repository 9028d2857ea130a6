"""What can be asked is answered alike by the embedded log itself and by a copy of a log."""

from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
from msgspec.structs import replace

from consumers import draft
from gateway.engine.log import DELIVERY_PLANS
from gateway.engine.purchase_orders import unpack
from gateway.reading.tables import INSTRUCTIONS
from gateway.reading.view import BookingPlace, Keyed, Place, Wanted, Work, WorkPlace, place_of
from gateway.rules.events import DeliveryPlan, Event, Outcome, place_in_time
from producers import delivery_plans
from producers.read_back import read_plan
from schemas.codec import digest_of, encode
from schemas.json import parse
from schemas.times import parse_day, parse_instant
from tests.cli.running import Json, life, record, referral
from tests.reading.asking import BEGINNING, Asked, message
from tests.reading.filling import put

PROVIDERS: Final = [f"PRV{number:02}" for number in range(1, 8)]
EACH: Final = 20
MORNING: Final = "2016-03-14T10:00:00Z"


def many() -> list[Json]:
    """Referrals of many providers: those of one provider lie side by side, those of another far apart."""
    lines = []
    for number in range(len(PROVIDERS) * EACH):
        provider = PROVIDERS[0 if number < EACH else number % len(PROVIDERS)]
        at = f"2016-03-14T09:{number // 60:02}:{number % 60:02}Z"
        day = f"2016-03-{1 + number * number % 7:02}"
        lines.append(referral(at, f"PO{number:03}", provider_id=provider, referred_on=day))
    return lines


def po_numbers(lines: list[Json], providers: list[str]) -> list[str]:
    """Those of these providers, in order."""
    values = (line["value"] for line in lines)
    return [value["po_number"] for value in values if value["provider_id"] in providers]


def accepted(at: str = MORNING, po_number: str = "PO1", **fields: object) -> Json:
    return record("ReferralAccepted", at, po_number, accepted_at="2016-03-14T09:30:00Z", **fields)


@pytest.mark.parametrize("limit", [1, 3, 7, 1_000])
async def test_instructions_of_many_providers_come_in_order_by_pages_of_any_size(
    asked: Asked, limit: int
) -> None:
    lines = many()
    await asked.decide(lines)
    view = await asked.view()
    providers = PROVIDERS[:-1]
    cursor = BEGINNING
    found: list[str] = []
    while page := view.instructions(frozenset(providers), cursor, limit):
        assert len(page) <= limit
        found += (each.event.po_number for each in page if each.event.instruction == "ACCEPT_REFERRAL")
        cursor = page[-1].cursor
        assert view.is_at(INSTRUCTIONS, cursor)
    assert found == po_numbers(lines, providers)


async def test_instructions_that_come_later_are_behind_the_place_that_was_reached(asked: Asked) -> None:
    await asked.decide([referral(po_number="PO1"), referral(po_number="PO2")])
    *_, last = (await asked.view()).instructions(["PRV01"], BEGINNING, 100)
    await asked.decide([referral("2016-03-14T10:00:00Z", "PO3")])
    later = (await asked.view()).instructions(["PRV01"], last.cursor, 100)
    assert {each.event.po_number for each in later} == {"PO3"}


@pytest.mark.parametrize("status", [None, "OPEN"])
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_referrals_of_many_providers_come_the_newest_first_by_pages_of_any_size(
    asked: Asked, limit: int, status: str | None
) -> None:
    lines = many()
    await asked.decide(lines)
    view = await asked.view()
    wanted = sorted(
        (
            (line["value"]["referred_on"], line["value"]["po_number"])
            for line in lines
            if line["value"]["provider_id"] in PROVIDERS[:4]
        ),
        reverse=True,
    )
    after: Place | None = None
    found: list[str] = []
    while page := view.referrals(PROVIDERS[:4], Wanted(status="OPEN" if status else None), after, limit):
        found += (each.po_number for each in page)
        after = page[-1].referred_on, page[-1].po_number
    assert found == [po_number for _, po_number in wanted]


async def test_referrals_are_found_by_the_status_that_they_have_come_to(asked: Asked) -> None:
    rejected = record("ReferralRejected", MORNING, rejected_at=MORNING, reason="OTHER")
    await asked.decide([referral(), referral(po_number="PO2"), rejected])
    view = await asked.view()
    by_status = {
        status: [each.po_number for each in view.referrals(["PRV01"], Wanted(status=status), None, 10)]
        for status in ("OPEN", "REJECTED", "JOINING")
    }
    assert by_status == {"OPEN": ["PO2"], "REJECTED": ["PO1"], "JOINING": []}


@pytest.mark.parametrize("limit", [1, 3, 7, 1_000])
async def test_the_worklist_of_many_providers_comes_soonest_first_by_pages_of_any_size(
    asked: Asked, limit: int
) -> None:
    lines = many()
    await asked.decide([*lines, accepted(po_number="PO001", reference="OURS")])
    view = await asked.view()
    after: WorkPlace | None = None
    found: list[Work] = []
    while page := view.worklist(PROVIDERS[:4], after, limit):
        assert len(page) <= limit
        found += page
        after = place_of(page[-1])
    assert [place_of(each) for each in found] == sorted(place_of(each) for each in found)
    theirs = po_numbers(lines, PROVIDERS[:4])
    assert sorted(each.po_number for each in found if each.duty.kind == "DELIVER_SESSION") == sorted(theirs)
    to_accept = sorted(each.po_number for each in found if each.duty.kind == "ACCEPT_REFERRAL")
    assert to_accept == [po_number for po_number in sorted(theirs) if po_number != "PO001"]
    assert {each.reference for each in found if each.po_number == "PO001"} == {"OURS"}
    assert {each.reference for each in found if each.po_number != "PO001"} == {None}


async def test_what_is_to_be_done_is_forgotten_with_its_referral(asked: Asked) -> None:
    await asked.decide([referral(), referral("2017-06-01T09:00:00Z", "PO2", referred_on="2017-06-01")])
    assert {each.po_number for each in (await asked.view()).worklist(["PRV01"], None, 10)} == {"PO2"}


async def test_referrals_are_found_by_what_is_due_and_by_when_something_was_decided(asked: Asked) -> None:
    await asked.decide([referral(), referral(po_number="PO2"), accepted()])
    view = await asked.view()

    def found(wanted: Wanted) -> list[str]:
        return [each.po_number for each in view.referrals(["PRV01"], wanted, None, 10)]

    by = parse_day("2016-03-16")
    assert [found(Wanted(due_before=day)) for day in (by, by + 1, by + 14)] == [[], ["PO2"], ["PO2", "PO1"]]
    at = parse_instant(MORNING)
    assert [found(Wanted(changed_since=instant)) for instant in (at, at + 1)] == [["PO1"], []]
    assert found(Wanted(changed_since=0)) == ["PO2", "PO1"]


async def test_what_is_asked_often_is_found_by_an_index(asked: Asked) -> None:
    await asked.decide([referral(), accepted()])
    view = await asked.view()

    def plan(question: Callable[[], object]) -> list[str]:
        """How SQLite finds what a question is answered with."""
        statements: list[str] = []
        view.db.set_trace_callback(statements.append)
        question()
        view.db.set_trace_callback(None)
        statement = next(each for each in statements if "provider_id = 'PRV01'" in each)
        return [row[3] for row in view.db.execute(f"EXPLAIN QUERY PLAN {statement}")]

    by_number = "SEARCH r USING PRIMARY KEY (po_number=?)"
    first, second = plan(partial(view.worklist, ["PRV01"], None, 1))
    assert first.startswith("SEARCH d USING COVERING INDEX duty_soonest (provider_id=? AND (due_on,")
    assert second == by_number
    for wanted, found in (
        (Wanted(due_before=1), "SEARCH duty USING COVERING INDEX duty_soonest (provider_id=? AND due_on<?)"),
        (Wanted(changed_since=1), "SEARCH state USING COVERING INDEX state_changed (changed_at>?)"),
    ):
        steps = plan(partial(view.referrals, ["PRV01"], wanted, None, 1))
        assert steps[0] == "SEARCH referral USING PRIMARY KEY (po_number=?)"
        assert found in steps
    for ask in (view.instructions, view.outcomes_of):
        first, second = plan(partial(ask, ["PRV01"], BEGINNING, 1))
        assert first.startswith("SEARCH o USING ")
        assert second.startswith(by_number)


async def test_a_referral_is_what_the_engine_keeps_of_it(asked: Asked) -> None:
    await asked.decide(life())
    known = (await asked.view()).referral("PO1")
    assert known is not None
    (partition,) = {
        record.partition async for record in asked.log.follow(["prap.actions"], from_start=True, wait=False)
    }
    claim = await asked.log.claim(partition)
    assert known.order == unpack((await claim.restore()).states["PO1"])
    assert known.referral == known.order.referral


async def test_a_referral_belongs_to_its_provider_and_counts_its_messages(asked: Asked) -> None:
    await asked.decide(life())
    view = await asked.view()
    assert (view.owner("PO1"), view.messages("PO1")) == ("PRV01", len(life()))
    assert (view.owner("PO2"), view.messages("PO2")) == (None, 0)
    assert view.referral("PO2") is None


async def test_the_history_has_all_events_in_order_of_decision(asked: Asked) -> None:
    await asked.decide([*life(), referral("2016-06-01T09:00:00Z", "PO2", referred_on="2016-06-01")])
    view = await asked.view()
    history = view.history("PO1")
    assert {each.po_number for each in history} == {"PO1"}
    instants = [each.decided_at for each in history]
    assert instants == sorted(instants)
    assert {type(each).__name__ for each in history} >= {
        "PrapAction",
        "Instruction",
        "Outcome",
        "AttendanceEvent",
    }
    assert all(view.shows("PO1", each) for each in history)
    # By pages of any size the same, and the newest ones.
    for limit in (1, 2, 7, 1_000):
        paged: list[Event] = []
        while page := view.history("PO1", limit, *([place_in_time(paged[-1])] if paged else [])):
            assert len(page) <= limit
            paged += page
        assert paged == history
        assert view.newest_history("PO1", limit) == (history[-limit:], max(len(history) - limit, 0))


async def test_a_message_that_waits_to_be_decided_is_known_already(asked: Asked) -> None:
    await asked.decide([referral()])
    line = accepted()
    await put(asked.log, [line])
    view = await asked.view()
    message_id = line["value"]["message_id"]
    assert message(view, ["PRV01"], message_id) == ("PO1", None)
    keyed = view.keyed("nobody", message_id, "PO1", "PRV01")
    assert keyed is not None
    assert keyed.po_number == "PO1"
    assert view.decided("PO1", "PRV01", message_id) is not None


async def test_a_message_is_held_first_and_then_has_its_final_outcome(asked: Asked) -> None:
    """That of repetitions does not change it."""
    line = accepted("2016-03-14T09:40:00Z", message_id="m1")
    await asked.decide([line])
    found = message(await asked.view(), ["PRV02", "PRV01"], "m1")
    assert found is not None
    assert (found[0], found[1] and found[1].status) == ("PO1", "HELD")
    await asked.decide([referral(MORNING)])
    await asked.decide([accepted("2016-03-14T11:00:00Z", message_id="m1")])
    view = await asked.view()
    found = message(view, ["PRV01"], "m1")
    assert found is not None
    assert found[1] is not None
    assert found[1].status == "APPLIED"
    assert view.outcome("PO1", "PRV01", "m1") == found[1] == view.outcome_of_anybody("m1")
    assert [each.status for each in view.outcomes("PO1", "m1")] == ["HELD", "APPLIED", "DUPLICATE"]


async def test_a_first_referral_that_was_refused_is_no_part_of_the_history_of_the_next(asked: Asked) -> None:
    """Nor is what was held for it before."""
    wrong = referral("2016-03-14T09:10:00Z", claimant_group=None, message_id="m0")
    await asked.decide([accepted("2016-03-14T09:00:00Z", message_id="m1"), wrong])
    before = (await asked.view()).history("PO1")
    assert [each.status for each in before if isinstance(each, Outcome)] == ["HELD", "REFUSED"]
    await asked.decide([referral(MORNING)])
    history = (await asked.view()).history("PO1")
    assert [type(each).__name__ for each in history[:3]] == ["PrapAction", "Instruction", "Outcome"]
    assert {each.decided_at for each in history} == {history[0].decided_at}


async def test_the_first_message_with_an_id_counts(asked: Asked) -> None:
    await asked.decide(
        [
            referral(),
            referral(po_number="PO2"),
            accepted(message_id="m1"),
            accepted("2016-03-14T11:00:00Z", "PO2", message_id="m1"),
            accepted("2016-03-14T12:00:00Z", message_id="m1", provider_id="PRV02"),
        ]
    )
    view = await asked.view()
    first = message(view, ["PRV01"], "m1")
    assert first is not None
    assert (first[0], first[1] and first[1].status) == ("PO1", "APPLIED")
    keyed = view.keyed("nobody", "m1", "PO1", "PRV01")
    assert keyed is not None
    assert keyed.po_number == "PO1"
    assert [each[0] for each in view.messages_with("nobody", ["PRV01"], "m1")] == ["PO1", "PO2"]
    other = message(view, ["PRV02"], "m1")
    assert other is not None
    assert (other[0], other[1] and other[1].status) == ("PO1", "DUPLICATE")


async def test_what_is_not_a_providers_record_is_not_taken_for_one(asked: Asked) -> None:
    """A referral names a provider, too, and may have the id of anything."""
    await asked.decide([referral(message_id="m1")])
    view = await asked.view()
    assert message(view, ["PRV01"], "m1") is None
    assert view.keyed("nobody", "m1", "PO1", "PRV01") is None
    assert view.outcome("PO1", "PRV01", "m1") is None
    outcome = view.outcome_of_anybody("m1")
    assert outcome is not None
    assert outcome.topic == "prap.referrals"
    await asked.decide([accepted(message_id="m1")])
    found = message(await asked.view(), ["PRV01"], "m1")
    assert found is not None
    assert (found[1] and found[1].status) == "DUPLICATE"


async def test_a_message_of_another_provider_is_not_found(asked: Asked) -> None:
    await asked.decide([referral(), accepted(message_id="m1")])
    view = await asked.view()
    assert message(view, ["PRV02", "PRV03"], "m1") is None
    assert view.keyed("nobody", "m1", "PO1", "PRV02") is None


def plan(message_id: str, provider_id: str = "PRV01", group_size: int = 10) -> DeliveryPlan:
    return DeliveryPlan(
        message_id=message_id,
        provider_id=provider_id,
        contract_package_area="CPA01",
        formats=("GROUP",),
        group_size=group_size,
        timings="Tuesdays",
        effective_from=16_874,
    )


async def test_a_key_is_a_callers_for_all_its_providers(asked: Asked) -> None:
    """One referral takes an id once, whoever sends it."""
    await asked.decide([referral(), referral(po_number="PO2", provider_id="PRV02")])
    value = accepted(message_id="m1")["value"]
    sent = parse("ReferralAccepted", value)
    await asked.log.append([draft(sent, caller="one")])
    view = await asked.view()
    digest = digest_of(encode(sent))
    assert view.keyed("one", "m1") == view.keyed("one", "m1", "PO2", "PRV02") == Keyed("PO1", digest)
    assert view.keyed("other", "m1", "PO1", "PRV01") == Keyed("PO1", digest)
    assert view.keyed("other", "m1") is view.keyed("other", "m1", "PO2", "PRV02") is None


async def test_of_an_areas_plans_the_last_one_is_in_force_and_the_keys_of_all_are_known(
    asked: Asked,
) -> None:
    plans = [plan("k1"), plan("k1", "PRV02"), plan("k2", group_size=8), plan("k3", group_size=9)]
    callers = ["one", "other", "one", "other"]
    for each, caller in zip(plans, callers, strict=True):
        view = await asked.view()
        earlier = view.plan_keys(each.provider_id, each.contract_package_area)
        await asked.log.append([delivery_plans.draft(each, None, caller, earlier)])
    view = await asked.view()
    in_force = {provider: view.plans(provider) for provider in ("PRV01", "PRV02", "PRV03")}
    assert in_force == {"PRV01": [plans[3]], "PRV02": [plans[1]], "PRV03": []}
    assert (view.areas("PRV01"), view.areas("PRV03")) == (["CPA01"], [])
    assert [key.message_id for key in view.plan_keys("PRV01", "CPA01")] == ["k1", "k2", "k3"]
    for each, caller in zip(plans, callers, strict=True):
        keyed = Keyed(None, digest_of(encode(each)))
        assert view.keyed(caller, each.message_id, "PO1", "PRV01") == keyed
    assert view.keyed("one", "k3") is view.keyed("other", "k2") is None
    assert message(view, ["PRV01"], "k1") is None
    # What is replaced is gone from a log that compacts at once; its key is in what took its place.
    topic = [each async for each in asked.log.follow([DELIVERY_PLANS], from_start=True, wait=False)]
    assert [read_plan(each) for each in topic] == [plans[1], plans[3]]


async def test_so_many_keys_of_an_areas_plans_are_known_and_no_more(asked: Asked) -> None:
    keys = [delivery_plans.SentKey("one", f"k{number}", b"") for number in range(150)]
    await asked.log.append([delivery_plans.draft(plan("last"), None, "one", keys)])
    found = (await asked.view()).plan_keys("PRV01", "CPA01")
    assert [key.message_id for key in found] == [*(f"k{number}" for number in range(50, 150)), "last"]


async def test_a_cursor_stays_right_when_what_it_stands_behind_is_forgotten(asked: Asked) -> None:
    await asked.decide(life())
    *_, last = (await asked.view()).instructions(["PRV01"], BEGINNING, 100)
    await asked.decide([referral("2017-08-01T00:00:00Z", "PO2", referred_on="2017-08-01")])
    view = await asked.view()
    assert view.referral("PO1") is None
    assert view.is_at(INSTRUCTIONS, last.cursor)
    behind = view.instructions(["PRV01"], last.cursor, 100)
    assert "PO2" in {each.event.po_number for each in behind}
    assert not view.is_at(INSTRUCTIONS, replace(last.cursor, digest="0" * 12))
    assert not view.is_at(
        INSTRUCTIONS, replace(last.cursor, place=tuple(each + 1 for each in last.cursor.place))
    )


async def test_a_session_has_its_bookings_by_purchase_order(asked: Asked) -> None:
    """Those of these providers, so many at the most."""
    lines: list[Json] = []
    for line in life()[:3]:
        for po_number in ("PO2", "PO1", "PO3"):
            provider = {"provider_id": "PRV02" if po_number == "PO3" else "PRV01"}
            names = {"po_number": po_number, "message_id": f"{po_number}-{len(lines)}"}
            lines.append(line | {"value": line["value"] | names | provider})
    await asked.decide(lines)
    view = await asked.view()
    assert [each.po_number for each in view.session(["PRV01"], "S1", 10)] == ["PO1", "PO2"]
    assert [each.po_number for each in view.session(["PRV01", "PRV02"], "S1", 10)] == ["PO1", "PO2", "PO3"]
    assert [each.po_number for each in view.session(["PRV01"], "S1", 1)] == ["PO1"]
    (booked,) = view.session(["PRV02"], "S1", 10)
    assert (booked.session.session_id, booked.referral.provider_id) == ("S1", "PRV02")
    assert view.session(["PRV03"], "S1", 10) == []
    assert view.session(["PRV01"], "S2", 10) == []
    found: list[str] = []
    after: BookingPlace = ("", "")
    while page := view.session(["PRV01", "PRV02"], "S1", 2, after):
        found += (each.po_number for each in page)
        after = page[-1].referral.provider_id, page[-1].po_number
    assert found == ["PO1", "PO2", "PO3"]
    booking = view.booking(["PRV01", "PRV02"], "S1")
    assert booking is not None
    assert (booking.booked, booking.attended) == (3, 0)
    assert view.booking(["PRV03"], "S1") is None

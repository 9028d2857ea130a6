"""A referral that is forgotten can't be found any more, nor anything that was decided on it."""

from typing import Final

import pytest

from gateway.engine.forgetting import Asked as Ask
from gateway.engine.forgetting import pack_asked
from gateway.engine.log import CONTROL, Draft
from gateway.engine.step import StepSize
from gateway.reading.view import View, Wanted
from gateway.rules.events import Outcome
from tests.cli.running import Json, life, record, referral
from tests.reading.asking import BEGINNING, Asked, message

#: When nothing is known of `life` any more, and when messages that wait since then expire.
LATER: Final = "2017-05-01T00:00:00Z"
EXPIRED: Final = "2017-07-01T00:00:00Z"
STEPS: Final = [
    pytest.param(StepSize(), id="in one step"),
    pytest.param(StepSize(decisions=1), id="in many steps"),
]


def tick(at: str) -> Json:
    """Something on another purchase order, so that time passes."""
    return referral(at, f"PO-{at}", referred_on=at[:10], provider_id="PRV09")


def anew(at: str = LATER) -> Json:
    """The same purchase order comes again, to another provider, under the id of its first message."""
    return referral(at, referred_on=at[:10], provider_id="PRV02")


def accepted(at: str, message_id: str, provider_id: str = "PRV02") -> Json:
    return record("ReferralAccepted", at, message_id=message_id, provider_id=provider_id, accepted_at=at)


def statuses(view: View) -> list[tuple[str, str]]:
    """What the outcomes in the history of the purchase order say, in order."""
    events = view.history("PO1")
    return [(each.message_id, each.status) for each in events if isinstance(each, Outcome)]


def instructed(view: View, provider_id: str) -> set[str]:
    """The purchase orders that a provider has instructions on."""
    listed = view.instructions([provider_id], BEGINNING, 1_000)
    return {each.event.po_number for each in listed}


def outcome(view: View, provider_id: str, message_id: str) -> str | None:
    """The status that a provider is answered with for a message; '' while it waits; None: there is none."""
    found = message(view, [provider_id], message_id)
    return None if found is None else "" if found[1] is None else found[1].status


def nothing_is_left(view: View) -> None:
    """Whatever one asks about `life`."""
    assert view.referral("PO1") is None
    assert view.owner("PO1") is None
    assert view.referrals(["PRV01"], Wanted(), None, 10) == []
    assert view.referrals(["PRV01"], Wanted(status="CANCELLED"), None, 10) == []
    assert view.session(["PRV01"], "S1", 10) == []
    assert instructed(view, "PRV01") == set()
    for line in life():
        message_id = line["value"]["message_id"]
        assert message(view, ["PRV01"], message_id) is None
        assert view.keyed("nobody", message_id, "PO1", "PRV01") is None
        assert view.outcome("PO1", "PRV01", message_id) is None


@pytest.mark.parametrize("step", STEPS)
async def test_of_a_referral_that_is_forgotten_nothing_can_be_found(asked: Asked, step: StepSize) -> None:
    await asked.decide(life(), step)
    view = await asked.view()
    assert view.referral("PO1") is not None
    assert instructed(view, "PRV01") == {"PO1"}
    await asked.decide([tick(LATER)], step)
    view = await asked.view()
    nothing_is_left(view)
    assert view.history("PO1") == []
    assert view.referral(f"PO-{LATER}") is not None
    assert instructed(view, "PRV09") == {f"PO-{LATER}"}


@pytest.mark.parametrize("step", STEPS)
async def test_one_that_is_known_and_forgotten_between_two_looks_is_never_found(
    asked: Asked, step: StepSize
) -> None:
    await asked.decide([*life(), tick(LATER)], step)
    view = await asked.view()
    nothing_is_left(view)
    assert view.history("PO1") == []


@pytest.mark.parametrize("step", STEPS)
async def test_one_that_comes_anew_shows_only_its_own_history(asked: Asked, step: StepSize) -> None:
    await asked.decide([*life(), anew()], step)
    view = await asked.view()
    assert (view.owner("PO1"), view.messages("PO1")) == ("PRV02", 1)
    assert [each.po_number for each in view.referrals(["PRV02"], Wanted(status="OPEN"), None, 10)] == ["PO1"]
    assert view.referrals(["PRV01"], Wanted(), None, 10) == []
    assert view.session(["PRV01", "PRV02"], "S1", 10) == []
    assert statuses(view) == [("PO1-1", "APPLIED")]
    assert {each.decided_at for each in view.history("PO1")} == {view.history("PO1")[0].decided_at}
    assert (instructed(view, "PRV01"), instructed(view, "PRV02")) == (set(), {"PO1"})
    for line in life()[1:]:
        assert view.keyed("nobody", line["value"]["message_id"], "PO1", "PRV01") is None


@pytest.mark.parametrize("step", STEPS)
async def test_what_was_held_for_the_one_that_comes_anew_keeps_its_outcome(
    asked: Asked, step: StepSize
) -> None:
    """Under the id of a message of before, too."""
    again = life()[1]["value"]["message_id"]
    held = [accepted("2017-04-25T09:00:00Z", "h1"), accepted("2017-04-26T09:00:00Z", again)]
    await asked.decide([*life(), *held], step)
    view = await asked.view()
    nothing_about_it = [view.keyed("nobody", line["value"]["message_id"], "PO1", "PRV01") for line in life()]
    assert nothing_about_it == [None] * len(life())
    assert statuses(view) == [("h1", "HELD"), (again, "HELD")]
    assert [outcome(view, "PRV02", each) for each in ("h1", again)] == ["HELD", "HELD"]
    await asked.decide([anew()], step)
    view = await asked.view()
    assert [status for _, status in statuses(view)] == ["APPLIED", "APPLIED", "REFUSED"]
    assert [outcome(view, "PRV02", each) for each in ("h1", again)] == ["APPLIED", "REFUSED"]
    assert [each.status for each in view.outcomes("PO1", again)] == ["HELD", "REFUSED"]
    keyed = view.keyed("nobody", "h1", "PO1", "PRV02")
    assert keyed is not None
    assert keyed.po_number == "PO1"


@pytest.mark.parametrize("step", STEPS)
async def test_all_of_that_at_once_ends_the_same(asked: Asked, step: StepSize) -> None:
    await asked.decide([*life(), accepted("2017-04-25T09:00:00Z", "h1"), anew()], step)
    view = await asked.view()
    assert statuses(view) == [("PO1-1", "APPLIED"), ("h1", "APPLIED")]
    assert outcome(view, "PRV02", "h1") == "APPLIED"
    assert instructed(view, "PRV01") == set()


@pytest.mark.parametrize("step", STEPS)
async def test_messages_about_what_never_was_referred_keep_their_outcome_for_their_sender(
    asked: Asked, step: StepSize
) -> None:
    """Also when a referral comes after all, of which they are no part."""
    await asked.decide([accepted("2016-03-14T09:00:00Z", "n1", "PRV01"), tick("2016-05-01T00:00:00Z")], step)
    view = await asked.view()
    assert view.referral("PO1") is None
    assert outcome(view, "PRV01", "n1") == "REFUSED"
    await asked.decide([referral("2016-06-01T09:00:00Z", referred_on="2016-06-01")], step)
    view = await asked.view()
    assert outcome(view, "PRV01", "n1") == "REFUSED"
    assert statuses(view) == [("PO1-1", "APPLIED")]


@pytest.mark.parametrize("step", STEPS)
async def test_messages_about_what_was_forgotten_before_they_came_keep_their_outcome(
    asked: Asked, step: StepSize
) -> None:
    await asked.decide([*life(), accepted(LATER, "n1", "PRV01"), tick(EXPIRED)], step)
    view = await asked.view()
    nothing_is_left(view)
    assert statuses(view) == [("n1", "HELD"), ("n1", "REFUSED")]
    assert outcome(view, "PRV01", "n1") == "REFUSED"


@pytest.mark.parametrize("step", STEPS)
async def test_one_that_comes_so_late_that_it_is_forgotten_at_once_is_not_found(
    asked: Asked, step: StepSize
) -> None:
    """Nor is what was held for it."""
    await asked.decide(
        [accepted("2017-05-20T09:00:00Z", "h1", "PRV01"), referral("2017-06-01T00:00:00Z")], step
    )
    await asked.decide([tick("2017-06-01T00:00:01Z")], step)
    view = await asked.view()
    nothing_is_left(view)
    assert view.history("PO1") == []
    assert outcome(view, "PRV01", "h1") is None


@pytest.mark.parametrize("step", STEPS)
async def test_of_one_that_somebody_asked_to_forget_nothing_can_be_found(
    asked: Asked, step: StepSize
) -> None:
    """What comes under the number afterwards is another one's."""
    await asked.decide(life(), step)
    question = Ask("FORGET", "q", "PO1", "a reason", "ops", LATER, running=True)
    await asked.log.append([Draft(CONTROL, question.key, pack_asked(question))])
    at = life()[-1]["at"]
    await asked.decide([tick(at)], step)
    view = await asked.view()
    nothing_is_left(view)
    assert view.history("PO1") == []
    assert await asked.log.asked() == []
    await asked.decide([anew("2016-06-01T00:00:00Z")], step)
    view = await asked.view()
    assert (view.owner("PO1"), view.messages("PO1")) == ("PRV02", 1)
    assert statuses(view) == [("PO1-1", "APPLIED")]

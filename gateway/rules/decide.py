"""One message, or one deadline, decided: `decide` and `fall_due`.

The checks that every message shares come first (rulebook: Every message), then those of its own row.
Nothing else decides: no wall clock, no random id, no input or output.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct, msgpack

from gateway.rules import attachments, attendance, referrals, sessions, updates, wp11
from gateway.rules.calendar import london_day, midnight
from gateway.rules.case import Applied, Case, Check, Effects, Row
from gateway.rules.deadlines import HELD_OR_END, TRACE, Deadline, next_due
from gateway.rules.deadlines import fall_due as let_fall_due
from gateway.rules.events import Advisory, Event, Outcome, OutcomeStatus
from gateway.rules.messages import DAY_FACTS, INSTANT_FACTS, RECORD_NAMED, TOPIC_OF, Message, Referral
from gateway.rules.policy import Policies
from gateway.rules.referral import Held, PurchaseOrder, ReferralState


def by_record(rows: Iterable[Row[Any]], records: Iterable[type] = TOPIC_OF) -> dict[type, Row[Any]]:
    """The row of each record that comes in, in the order of the rows. Raises LookupError without one."""
    found = {row.record: row for row in rows}
    if without := [record.__name__ for record in records if record not in found]:
        raise LookupError(f"{', '.join(without)}: no row; write one in gateway/rules/, and name it in ROWS")
    return found


#: How each record is decided, in the order of the rulebook.
ROWS: Final = by_record(
    (
        referrals.REFERRED_TO,
        wp11.RECEIVED,
        updates.ALTERNATIVE_REQUESTED,
        updates.APPEAL_CHANGED,
        updates.RESTRICTION_CHANGED,
        referrals.ACCEPTED,
        referrals.REJECTED,
        sessions.BOOKED,
        sessions.CHANGED,
        sessions.CANCELLED,
        attendance.CONFIRMED,
        sessions.CAN_NOT_ATTEND,
        attendance.RECORDED,
        sessions.OBJECTED,
        attendance.CORRECTED,
        attachments.REGISTERED,
        attendance.REIMBURSED,
        sessions.NOT_POSSIBLE,
    )
)


def _not_yours(case: Case[Any]) -> bool:
    provider_id = getattr(case.message, "provider_id", None)
    return provider_id is not None and provider_id != case.referral.provider_id


DATED_IN_FUTURE: Final = "DATED_IN_FUTURE"
SEEN: Final[Check[Any]] = Check(
    "G1",
    "its `message_id` was seen on this referral before",
    lambda case: case.message.message_id in case.seen,
    "",
    detail="A message of this id has come for this purchase order before.",
)
#: What every record but a Referral must pass before its own row, where its referral is known.
SHARED: Final[tuple[Check[Any], ...]] = (
    Check(
        "G3",
        "its `provider_id` is not the referral's",
        _not_yours,
        "NOT_YOUR_REFERRAL",
        detail="The referral was made to another provider.",
    ),
    Check(
        "G4",
        "a fact in it is dated after it arrived",
        lambda case: case.dated_in_future(),
        DATED_IN_FUTURE,
        detail="A date or time in the message lies after the moment it arrived; check the sender's clock.",
    ),
)
#: All checks of each record after G1, in order.
CHECKS: Final[dict[type, tuple[Check[Any], ...]]] = {
    record: row.checks if record is Referral else SHARED + row.checks for record, row in ROWS.items()
}
#: The same, each behind its test: all that is looked at of those that don't apply.
_TESTS: Final = {record: tuple((check.test, check) for check in checks) for record, checks in CHECKS.items()}
UNKNOWN_REFERRAL: Final = "UNKNOWN_REFERRAL"
#: When what is held for a referral that does not come is refused.
UNMATCHED: Final = Deadline(
    row="G2",
    place=HELD_OR_END,
    limit="day {hold_unmatched_days} after the date of `at`",
    when="no referral came",
    then=f"REFUSED `{UNKNOWN_REFERRAL}`",
    rule="",
)
#: What `decide` does with a message whose referral is not known, for its readers.
UNMATCHED_IS_HELD: Final = Applied(
    UNMATCHED.row,
    "there is no referral for its `po_number` (not for a Referral)",
    f"HELD, through {UNMATCHED.limit}; then {UNMATCHED.then}",
    None,
)
HELD_DETAIL: Final = "No referral of this po_number is known yet; the message waits for it."
UNKNOWN_DETAIL: Final = "No referral of this po_number came while the message waited for one."


def field_at_fault(record: type[Message], code: str | None) -> str | None:
    """The path of the field for which a message is refused with a code; None: it is not one field."""
    if code == DATED_IN_FUTURE:
        facts = INSTANT_FACTS[record] + DAY_FACTS[record]
        return facts[0] if len(facts) == 1 else None
    fields = {check.field for check in CHECKS[record] if check.code == code}
    return fields.pop() if len(fields) == 1 else None


class Decision(Struct, frozen=True, gc=False):
    """What came of a message or a deadline.

    order: the purchase order as it is now; None: nothing is kept of it. effects: the events in the order
    in which they go out, each with the trace context of the message that caused it.
    """

    order: PurchaseOrder | None
    effects: list[tuple[Event, str | None]]


def decide(
    order: PurchaseOrder | None, message: Message, at: int, policies: Policies, trace: str | None = None
) -> Decision:
    """Decide a message that arrived at `at` (UTC milliseconds).

    order: what is known of its purchase order, with all that was due by `at` fallen due; None: nothing.
    trace: the trace context that the message came with.
    """
    known: ReferralState | None = None
    held: tuple[Held, ...] = ()
    seen: tuple[str, ...] = ()
    events = 0
    if order is not None:
        known, held, seen = order.referral, order.held, order.seen
        if order.events_at == at:
            events = order.events
    effects = Effects(message.po_number, at, events, trace)
    if known is not None:
        case: Case[Any] = Case(message, at, known, known.limits, policies, effects, seen)
        _judge(case)
        known, seen = case.known, case.seen
    elif any(waiting.message_id == message.message_id for waiting in held):
        _emit_outcome(effects, message, "DUPLICATE", detail=SEEN.detail)
    elif isinstance(message, Referral):
        case = Case(message, at, None, policies.on(london_day(at)), policies, effects)
        _judge(case)
        known = case.known
        if known is not None:
            known, held = _release(case, held), ()
            seen = case.seen
    else:
        held = (*held, _hold(message, at, policies, trace))
        _emit_outcome(effects, message, "HELD", detail=HELD_DETAIL)
    return _decision(effects, known, held, seen)


def fall_due(order: PurchaseOrder, po_number: str, policies: Policies) -> Decision:
    """Let fall due what is due next on a purchase order, at `order.due_at`."""
    instant = order.due_at
    if order.due_rank == TRACE:
        return Decision(None, [])
    effects = Effects(po_number, instant, order.events if order.events_at == instant else 0)
    known, held = order.referral, order.held
    if known is None:
        expired = [waiting for waiting in held if waiting.expires_at <= instant]
        held = tuple(waiting for waiting in held if waiting.expires_at > instant)
        _refuse_unknown(effects, expired)
    else:
        case: Case[Any] = Case(None, instant, known, known.limits, policies, effects)
        let_fall_due(case, instant, order.due_rank)
        known = case.known
    return _decision(effects, known, held, order.seen)


def forget(po_number: str, at: int) -> Decision:
    """Forget a referral because somebody asks for it, as T5 does: nothing goes out.

    at: an instant after all at which something was decided on it (UTC milliseconds).
    """
    effects = Effects(po_number, at, 0)
    return _decision(effects, None, (), ())


def _decision(
    effects: Effects, known: ReferralState | None, held: tuple[Held, ...], seen: tuple[str, ...]
) -> Decision:
    if known is not None:
        due_at, rank = next_due(known)
    elif held:
        due_at, rank = min(waiting.expires_at for waiting in held), HELD_OR_END
    else:
        # Nothing is known, but events were decided at this instant: until it has passed, the next one
        # needs to know how many, or two events could get one id.
        due_at, rank = effects.decided_at + 1, TRACE
    if known is None:
        seen = ()
    order = PurchaseOrder(due_at, rank, effects.decided_at, effects.events, known, held, seen)
    return Decision(order, effects.out)


def _judge(case: Case[Any]) -> None:
    """Take a message through its checks; its outcome goes out last, but for what follows from it."""
    message = case.message
    if case.known is not None and message.message_id in case.seen:
        _emit_outcome(case.effects, message, "DUPLICATE", detail=SEEN.detail)
        return
    record = type(message)
    for applies, check in _TESTS[record]:
        if applies(case):
            _refuse(case, check)
            return
    row = ROWS[record]
    rule = row.apply(case) or row.rule
    _remember(case)
    _emit_outcome(case.effects, message, "APPLIED", advisories=case.advisories, rule=rule)
    if row.then_at_once is not None:
        row.then_at_once(case)


def _refuse(case: Case[Any], check: Check[Any]) -> None:
    if check.also is not None:
        check.also.act(case)
    if case.known is not None and check is not referrals.SPECIAL:
        _remember(case)
    detail = check.detail if check.says is None else check.says(case)
    _emit_outcome(case.effects, case.message, check.status, check.code or None, detail, rule=check.rule)


def _remember(case: Case[Any]) -> None:
    case.seen = (*case.seen, case.message.message_id)


def _hold(message: Message, at: int, policies: Policies, trace: str | None) -> Held:
    day = london_day(at)
    expires_at = midnight(day + policies.on(day).hold_unmatched_days + 1)
    name = type(message).__name__
    return Held(message.message_id, name, msgpack.encode(message), at, expires_at, trace)


def _waiting(held: Held) -> Message:
    return msgpack.decode(held.body, type=RECORD_NAMED[held.name])


def _release(case: Case[Referral], held: tuple[Held, ...]) -> ReferralState | None:
    """Decide what waited for a referral that has just come, as if it had come in time.

    1. What was held, in order of arrival, each judged by when it arrived, after what was due by then.
    2. Then what is due by the arrival of the referral.
    All of it is decided at the arrival of the referral. Returns the referral, None where T5 forgot it.
    """
    effects, known = case.effects, case.known
    for place, waiting in enumerate(held):
        known = _catch_up(case, known, waiting.at)
        if known is None:
            _refuse_unknown(effects, held[place:])
            return None
        effects.trace = waiting.trace
        message, at = _waiting(waiting), waiting.at
        late: Case[Any] = Case(message, at, known, known.limits, case.policies, effects, case.seen)
        _judge(late)
        known, case.seen = late.known, late.seen
    return _catch_up(case, known, case.at)


def _catch_up(case: Case[Any], known: ReferralState | None, until: int) -> ReferralState | None:
    effects = case.effects
    effects.trace = None
    while known is not None:
        instant, rank = next_due(known)
        if instant > until:
            break
        due: Case[Any] = Case(None, instant, known, known.limits, case.policies, effects)
        let_fall_due(due, instant, rank)
        known = due.known
    return known


def _refuse_unknown(effects: Effects, held: tuple[Held, ...] | list[Held]) -> None:
    for waiting in held:
        effects.trace = waiting.trace
        _emit_outcome(effects, _waiting(waiting), "REFUSED", UNKNOWN_REFERRAL, UNKNOWN_DETAIL)


def _emit_outcome(
    effects: Effects,
    message: Message,
    status: OutcomeStatus,
    code: str | None = None,
    detail: str | None = None,
    *,
    advisories: tuple[Advisory, ...] = (),
    rule: str | None = None,
) -> None:
    effects.add(
        Outcome(
            event_id=effects.next_id(),
            message_id=message.message_id,
            po_number=message.po_number,
            provider_id=getattr(message, "provider_id", None),
            topic=TOPIC_OF[type(message)],
            status=status,
            code=code,
            detail=detail,
            advisories=advisories,
            decided_at=effects.decided_at,
            rule=rule,
        )
    )

"""The numbers of a run. They are counted from the records alone, and add up."""

from collections import Counter

from msgspec import Struct

from gateway.demo.running import Ran
from gateway.replay.event_lines import TOPIC_OF_EVENT
from gateway.rules.events import (
    Breach,
    CancellationEvent,
    Instruction,
    Outcome,
    PrapAction,
    SanctionNotification,
)
from gateway.rules.messages import TOPIC_OF, AttachmentRegistered, Referral
from gateway.rules.referrals import annotated_mandatory


class Numbers(Struct, frozen=True):
    """What a run amounts to.

    came_in: by topic and record. went_out: by topic. outcomes: by status, one a message, HELD aside.
    refused: by code and the reason given.
    referrals: purchase orders that were acknowledged; mandatory: those of them. They ended attached,
    cancelled or rejected, or are `joining`: with a WP11 and no attachment.
    held: messages that came before their referral; released: those that its arrival decided.
    """

    came_in: Counter[tuple[str, str]]
    went_out: Counter[str]
    outcomes: Counter[str]
    refused: Counter[tuple[str, str]]
    referrals: int
    mandatory: int
    attached: int
    cancelled: int
    rejected: int
    joining: int
    notified: int
    withdrawn: int
    held: int
    released: int
    breaches: Counter[str]


def count(ran: Ran) -> Numbers:
    """Add up what came in and what went out."""
    message_of = {(message.po_number, message.message_id): message for _, message in ran.messages}
    outcomes: Counter[str] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    breaches: Counter[str] = Counter()
    prap: Counter[str] = Counter()
    notifications: Counter[str] = Counter()
    attached = cancelled = released = 0
    joined: set[str] = set()
    held: set[tuple[str, str]] = set()
    mandatory: set[str] = set()
    for event in ran.events:
        match event:
            case Outcome(status="HELD"):
                held.add((event.po_number, event.message_id))
            case Outcome():
                outcomes[event.status] += 1
                if event.code:
                    refused[event.code, event.detail or ""] += 1
                message = message_of[event.po_number, event.message_id]
                if event.status == "APPLIED":
                    attached += isinstance(message, AttachmentRegistered)
                    if isinstance(message, Referral) and annotated_mandatory(message.action_plan_annotation):
                        mandatory.add(event.po_number)
                if event.status != "DUPLICATE" and (event.po_number, event.message_id) in held:
                    released += event.code != "UNKNOWN_REFERRAL"
            case PrapAction():
                prap[event.action] += 1
            case CancellationEvent():
                cancelled += 1
            case Instruction():
                if event.instruction == "UNDERTAKE_ATTACHMENT":
                    joined.add(event.po_number)  # again, where a hold has ended
            case SanctionNotification():
                notifications[event.status] += 1
            case Breach(status="RAISED"):
                breaches[event.breach] += 1
            case _:
                pass
    return Numbers(
        came_in=Counter((TOPIC_OF[type(message)], type(message).__name__) for _, message in ran.messages),
        went_out=Counter(TOPIC_OF_EVENT[type(event)] for event in ran.events),
        outcomes=outcomes,
        refused=refused,
        referrals=prap["ACKNOWLEDGE"],
        mandatory=len(mandatory),
        attached=attached,
        cancelled=cancelled,
        rejected=prap["REJECT"],
        joining=len(joined) - attached,
        notified=notifications["RAISED"],
        withdrawn=notifications["WITHDRAWN"],
        held=len(held),
        released=released,
        breaches=breaches,
    )

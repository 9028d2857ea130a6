"""Attachments to the Work Programme (rulebook: P11)."""

from typing import Final

from gateway.rules.case import Also, Case, Check, Row
from gateway.rules.deadlines import ATTACHMENT_LATE, clear
from gateway.rules.guidance import NOT_BEFORE_WP11, RIGHT_REFERRAL, TIME_LIMITS
from gateway.rules.messages import AttachmentRegistered


def _back_out(rule: str) -> Also[AttachmentRegistered]:
    """B1, once for each day and referral that was attached to."""

    def back_out(case: Case[AttachmentRegistered]) -> None:
        attachment = (case.message.attached_on, case.message.attached_to)
        if attachment not in case.referral.backed_out:
            case.update(backed_out=(*case.referral.backed_out, attachment))
            case.notify("INCORRECT_ATTACHMENT", case.message.attached_on, rule)
            case.enter_on_prap("BACK_OUT_ATTACHMENT", rule, "PRaP16")
            case.instruct("BACK_OUT_ATTACHMENT", rule)

    return Also(
        "B1, once for each `attached_on` and `attached_to`: Notice INCORRECT_ATTACHMENT, PRaP "
        "BACK_OUT_ATTACHMENT and Instruction BACK_OUT_ATTACHMENT",
        back_out,
    )


def _before_wp11(case: Case[AttachmentRegistered]) -> bool:
    issued_on = case.referral.wp11_issued_on
    return issued_on is not None and case.message.attached_on < issued_on


def attach(case: Case[AttachmentRegistered]) -> None:
    """P11: the participant is on the Work Programme; an attachment in time clears T4's breach."""
    if case.referral.on_hold:
        case.advisories = ("ATTACHED_WHILE_ON_HOLD",)
    case.update(status="ATTACHED", closed_at=case.at)
    case.notify("ATTACHED", case.message.attached_on, TIME_LIMITS)
    if case.message.attached_on <= case.referral.attach_by():
        clear(case, ATTACHMENT_LATE)


REGISTERED: Final = Row(
    "P11",
    AttachmentRegistered,
    (
        Check(
            "P11",
            "to INFORMATION_SESSION_REFERRAL",
            lambda case: case.message.attached_to == "INFORMATION_SESSION_REFERRAL",
            "ATTACHED_TO_INFORMATION_SESSION",
            RIGHT_REFERRAL,
            "Attachments are made to Work Programme referrals only; back this one out by PRaP16.",
            _back_out(RIGHT_REFERRAL),
            field="attached_to",
        ),
        Check(
            "P11",
            "ATTACHED",
            lambda case: case.referral.status == "ATTACHED",
            "ALREADY_ATTACHED",
            NOT_BEFORE_WP11,
            "The participant has been attached already.",
        ),
        Check(
            "P11",
            "OPEN",
            lambda case: case.referral.status == "OPEN",
            "NO_WP11",
            NOT_BEFORE_WP11,
            "No WP11 has come for this referral; back the attachment out by PRaP16, and wait for the WP11.",
            _back_out(NOT_BEFORE_WP11),
        ),
        Check(
            "P11",
            "CANCELLED or REJECTED",
            lambda case: case.referral.status != "JOINING",
            "NO_WP11",
            NOT_BEFORE_WP11,
            "No WP11 was received in time for this referral; an attachment can't be made without one.",
        ),
        Check(
            "P11",
            "`attached_on` is before the WP11's `issued_on`",
            _before_wp11,
            "ATTACHED_BEFORE_WP11",
            NOT_BEFORE_WP11,
            "The attachment is dated before the WP11 was issued.",
            field="attached_on",
        ),
    ),
    attach,
    "ATTACHED; Notice ATTACHED; advisory ATTACHED_WHILE_ON_HOLD where it is on hold",
    TIME_LIMITS,
    says="has attached the participant",
)

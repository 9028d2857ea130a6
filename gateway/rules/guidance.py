"""The paragraphs that the rules cite, and what each says in a sentence."""

from typing import Final

ANNOTATION = "WP19 ¶2"
SESSION_IN_TIME = "WP19 ¶2"
SPECIAL_CUSTOMER = "WP19 ¶2"
REFERRED = "WP19 ¶1"
ACCEPTANCE = "WP19 ¶3"
LAST_REFERRALS = "WP19 (title page)"
ATTENDED = "WP19 ¶5"
MANDATORY_ABSENCE = "WP19 Mandatory participant does not attend Information Session"
VOLUNTARY_ABSENCE = "WP19 ¶6"
VOLUNTARY_NOT_STARTED = "WP19 ¶7"
ALTERNATIVE = "WP19 ¶8"
REARRANGED = "WP19 ¶8-9"
REARRANGED_TOO_LATE = "WP19 ¶9"
NOT_BEFORE_WP11 = "WP19 ¶11"
TIME_LIMITS = "WP19 ¶12"
RIGHT_REFERRAL = "WP19 ¶14"
INSTRUCTED = "WP19 ¶16"
BECAME_MANDATORY = "WP19 ¶29"
EXPENSES = "WP19 ¶30"
ANNEX_A = "WP19 Annex A"
UC_MANDATION = "UCGS What are group sessions"
ONE_BOOKING = "UCGS Booking a claimant onto a group session"
REQUIREMENT_TOLD = "UCGS Mandating through the Workplan"
SUITABLE = "UCGS Identifying suitable or eligible claimants for a group session"
CANNOT_ATTEND = "UCGS Claimant cannot attend before the mandated group session has taken place"
FAILED = "UCGS Claimant fails to attend after the mandated group session has taken place"
JSA_OBJECTION = "JSAGIS ¶7"
DIRECTION = "JSAGIS ¶11-12"
ONE_HOUR = "JSAGIS ¶18"
OBJECTION = "GSG ¶35"
APPEAL = "WRAG"

#: The documents, by what their citations begin with.
SOURCES: Final[dict[str, str]] = {
    "WP19": "Work Programme Provider Guidance, chapter 19. It wins where others disagree",
    "UCGS": "Universal Credit, Group sessions: Guidance; cited by heading, since it has no paragraph numbers",
    "JSAGIS": "Jobseeker's Allowance, Group Information Sessions",
    "GSG": "Group Session Guidance",
    "WRAG": "Guidance to staff on appeals for the Support Group, as published on request",
}

#: What each cited paragraph says, in the product's own words.
SAYS: Final[dict[str, str]] = {
    REFERRED: "Jobcentre Plus refers participants through PRaP; the provider then arranges the session.",
    ANNOTATION: (
        "The Action Plan's annotation says whether the session is mandatory or voluntary; it must take place "
        "within 15 days of the referral, and special customers are referred clerically."
    ),
    LAST_REFERRALS: "Referrals to the Work Programme ended on 31 March 2017.",
    ACCEPTANCE: "The provider acknowledges and accepts the referral on PRaP.",
    ATTENDED: (
        "Once the participant has attended, nothing more is done until a WP11 comes or 21 days have passed; "
        "without a WP11 the referral is then cancelled as 'Did Not Start'."
    ),
    MANDATORY_ABSENCE: (
        "The provider must tell Jobcentre Plus when a mandatory participant does not attend, or no sanction "
        "can be pursued; Jobcentre Plus may ask for another session."
    ),
    VOLUNTARY_ABSENCE: "Jobcentre Plus need not be told when a voluntary participant does not attend.",
    VOLUNTARY_NOT_STARTED: "After 21 days the referral of a voluntary participant is cancelled on PRaP.",
    ALTERNATIVE: "Who did not come is offered another session at the next available time.",
    REARRANGED: (
        "An alternative session is offered at the next available time; there is no new referral, so the "
        "limits still run from the first date."
    ),
    REARRANGED_TOO_LATE: (
        "A participant who decides to join after 21 days needs a new Work Programme referral, since this "
        "one has been cancelled."
    ),
    NOT_BEFORE_WP11: (
        "No attachment is made before Jobcentre Plus has sent the WP11, which it issues only to those who "
        "come to the interview within 21 days and want to join."
    ),
    TIME_LIMITS: (
        "With a WP11 the participant is attached within 28 days of the referral; after 21 days without one "
        "the referral is cancelled as 'Did Not Start' and joining needs a new referral."
    ),
    RIGHT_REFERRAL: (
        "Attachments are made to Work Programme referrals only; one made to an Information Session referral "
        "is backed out by process PRaP16."
    ),
    INSTRUCTED: "A Work Coach mandates ESA participants by Work Related Activity instructions.",
    BECAME_MANDATORY: "A voluntary participant who becomes mandatory is referred anew on a mandatory basis.",
    EXPENSES: "The provider reimburses what coming to the session cost the participant.",
    ANNEX_A: (
        "Only the first three ESA groups can be mandated to an Information Session, and take part in the "
        "Work Programme by mandate."
    ),
    UC_MANDATION: (
        "Attendance can be mandated where it is in the Workplan, has one of three purposes and a tangible "
        "outcome that moves the claimant closer to work."
    ),
    ONE_BOOKING: (
        "A claimant is booked onto one session at a time, and one who objects to a group is offered another "
        "form, such as a face-to-face appointment."
    ),
    REQUIREMENT_TOLD: (
        "A session is mandatory once its name, time and date were discussed with the claimant; when details "
        "change and they can't be contacted, it is cancelled."
    ),
    SUITABLE: "Claimants with safety measures, MAPPA arrangements or additional needs may not suit a group.",
    CANNOT_ATTEND: (
        "A reason given beforehand for not attending goes to a decision maker, after the time at which the "
        "session was to take place; another session is booked, unless circumstances have changed and it is "
        "no longer appropriate."
    ),
    FAILED: (
        "Failing to attend or take part in a mandated session is referred as 'failure to participate or "
        "comply', with the reasons given, and never as failure to attend."
    ),
    JSA_OBJECTION: "Some claimants object to being dealt with in a group; alternatives are then offered.",
    DIRECTION: (
        "A Jobseeker's Direction can make a session mandatory only where attending assists the claimant to "
        "find employment or improves their prospects of it."
    ),
    ONE_HOUR: "A presentation should last no more than an hour.",
    OBJECTION: "Customers can object to a group, and this must be respected.",
    APPEAL: "Claimants who appeal to be placed in the Support Group are not put into the Work Programme.",
}

#: Refusals that follow from how things stand, or from a record's form: the paragraph that their row cites is
#: about the record, and does not explain them.
UNSPOKEN: Final = frozenset(
    {
        "ALREADY_ACCEPTED",
        "ALREADY_ATTACHED",
        "INVALID_AMOUNT",
        "INVALID_DURATION",
        "ISSUED_BEFORE_INTERVIEW",
        "NOTHING_TO_CORRECT",
        "NOTIFIED_BEFORE_REFERRAL",
        "OUTCOME_ALREADY_RECORDED",
        "OUTCOME_NOT_RECORDED",
        "REFERRAL_CLOSED",
        "REFERRAL_NOT_ACCEPTED",
        "SESSION_ALREADY_BOOKED",
        "SESSION_ALREADY_STARTED",
        "SESSION_BEFORE_REFERRAL",
        "SESSION_CANCELLED",
        "SESSION_NOT_OPEN",
        "SESSION_NOT_STARTED",
        "UNKNOWN_SESSION",
    }
)

"""What is on the log of a new sandbox: referrals in all states, made of messages from before it begins."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final, get_args

from msgspec import Struct

from consumers import draft
from gateway.engine.log import Draft
from gateway.rules.messages import ClaimantGroup
from gateway.rules.referral import CAN_BE_MANDATED
from gateway.rules.referrals import MANDATORY, VOLUNTARY
from gateway.sandbox import PROVIDER
from schemas.json import parse, parse_instant

Json = dict[str, Any]
#: A date, or an instant.
_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")

UC_MANDATION: Final[Json] = {
    "basis": "UC_WORKPLAN",
    "purpose": "ASSIST_COMPLIANCE",
    "tangible_outcome": True,
    "recorded_on": "2016-03-01",
}
JSA_MANDATION: Final[Json] = {
    "basis": "JOBSEEKERS_DIRECTION",
    "purpose": "IMPROVE_PROSPECTS",
    "recorded_on": "2016-03-01",
}


class Arrival(Struct, frozen=True):
    """A message of a scene. at: when it arrived, RFC 3339. value: without message_id and po_number."""

    at: str
    name: str
    value: Json


class Scene(Struct, frozen=True):
    """A ready-made referral. about: what it is for, in a sentence. arrivals: how it came to be as it is."""

    po_number: str
    about: str
    arrivals: Sequence[Arrival]


def referral(
    at: str = "2016-03-14T08:00:00Z", on: str = "2016-03-14", annotation: str = VOLUNTARY, **other: object
) -> Arrival:
    """A first revision, of somebody on ESA in the work-related activity group where nothing else is said."""
    value: Json = {
        "po_revision": 1,
        "action_plan_annotation": annotation,
        "referred_on": on,
        "provider_id": PROVIDER,
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "ESA",
        "claimant_group": "ESA_C_WRAG",
        "participant": {
            "nino": "AB123456C",
            "forename": "Test",
            "surname": "Participant",
            "date_of_birth": "1980-05-17",
            "phone": "0113 496 0000",
            "email": "participant@example.org",
            "address": ["1 Example Street", "Leeds"],
            "postcode": "LS1 1AA",
            "preferred_language": "en",
        },
    }
    return Arrival(at, "Referral", value | other)


def sent(at: str, name: str, **fields: object) -> Arrival:
    """A message of the provider."""
    return Arrival(at, name, {"provider_id": PROVIDER, **fields})


def groups() -> Iterator[Scene]:
    """A referral, new this morning, for each group of WP19 Annex A, and for the other benefits."""
    for group in get_args(ClaimantGroup):
        name = group.replace("_", "-")
        yield Scene(
            f"{name}-VOLUNTARY", f"A voluntary participant of {group}.", [referral(claimant_group=group)]
        )
        if group in CAN_BE_MANDATED:
            mandatory = referral(annotation=MANDATORY, claimant_group=group)
            yield Scene(f"{name}-MANDATORY", f"A mandatory participant of {group}.", [mandatory])
    for benefit, mandation in (("UC", UC_MANDATION), ("JSA", JSA_MANDATION)):
        other: Json = {"benefit": benefit, "claimant_group": None}
        yield Scene(f"{benefit}-VOLUNTARY", f"A voluntary participant on {benefit}.", [referral(**other)])
        mandatory = referral(annotation=MANDATORY, mandation=mandation, **other)
        yield Scene(f"{benefit}-MANDATORY", f"A mandatory participant on {benefit}.", [mandatory])


def moved(value: Any, days: int) -> Any:  # noqa: ANN401 - any part of a message in JSON
    """A message, or a part of one, with its dates and instants so many days later."""
    if isinstance(value, dict):
        return {name: moved(part, days) for name, part in value.items()}
    if not isinstance(value, str) or not _DATED.fullmatch(value):
        return value
    return f"{date.fromisoformat(value[:10]) + timedelta(days)}{value[10:]}"


def drafts(scenes: Sequence[Scene], days: int = 0) -> list[Draft]:
    """The messages of scenes as records for the log, in order of arrival, all so many days later."""
    found = []
    for scene in scenes:
        for place, arrival in enumerate(scene.arrivals, 1):
            ids = {"message_id": f"{scene.po_number}-{place}", "po_number": scene.po_number}
            message = parse(arrival.name, moved(arrival.value, days) | ids)
            at = parse_instant(moved(arrival.at, days))
            found.append(draft(message, timestamp=at))
    return sorted(found, key=lambda each: each.timestamp or 0)

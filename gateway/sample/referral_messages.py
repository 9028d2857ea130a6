"""What one referral sends: lines of JSON, each at an instant of its own."""

from typing import Any, Final

from msgspec import Struct
from msgspec.json import encode

from gateway.sample.clock import DAY, SECOND, iso, stamp
from gateway.sample.places import Contract

#: When a line is sent, in UTC ms; which referral's it is; the line with its newline.
Sent = tuple[int, int, bytes]

_REFERRALS: Final = "prap.referrals"
_WP11: Final = "jobcentre.wp11"
_UPDATES: Final = "jobcentre.updates"
_RECORDS: Final = "provider.session-records"


class Posted(Struct, frozen=True):
    """A message and when it was sent, in UTC ms."""

    at: int
    topic: str
    record: str
    value: dict[str, Any]


class ReferralMessages:
    """The messages of one referral, in the order in which they were written.

    `identity` is 128 random bits, of which the message ids are made.
    """

    __slots__ = (
        "_count",
        "_identity",
        "_instants",
        "_number",
        "_tail",
        "po_number",
        "posted",
        "provider_id",
        "sent",
    )

    def __init__(self, number: int, po_number: str, contract: Contract, identity: int) -> None:
        self.po_number = po_number
        self.provider_id = contract.provider_id
        self.sent: list[Sent] = []
        self.posted: list[Posted] = []
        self._number = number
        self._instants: set[int] = set()
        self._count = 0
        digits = f"{identity:032x}"
        self._identity = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-"
        self._tail = identity & 0xFFFF_FFFF_0000

    def message_id(self) -> str:
        """The id of another message: as a UUID is written."""
        self._count += 1
        return f"{self._identity}{self._tail + self._count:012x}"

    def referral(self, at: int, fields: dict[str, Any]) -> None:
        """A revision of the purchase order."""
        value = {"message_id": self.message_id(), "po_number": self.po_number, **fields}
        self.post(at, _REFERRALS, "Referral", value)

    def wp11(
        self, at: int, jobcentre_id: str, interview_on: int, issued_on: int, wants_to_join: bool
    ) -> None:
        """The form that says whether the participant joins."""
        value = {
            "message_id": self.message_id(),
            "po_number": self.po_number,
            "jobcentre_id": jobcentre_id,
            "interview_on": iso(interview_on),
            "wants_to_join": wants_to_join,
            "issued_on": iso(issued_on),
        }
        self.post(at, _WP11, "Wp11", value)

    def update(self, at: int, record: str, **fields: object) -> None:
        """A jobcentre's update."""
        value = {"message_id": self.message_id(), "po_number": self.po_number, **fields}
        self.post(at, _UPDATES, record, value)

    def record(self, at: int, record: str, **fields: object) -> None:
        """A provider's record."""
        value = {
            "message_id": self.message_id(),
            "po_number": self.po_number,
            "provider_id": self.provider_id,
            **fields,
        }
        self.post(at, _RECORDS, record, value)

    def post(self, at: int, topic: str, record: str, value: dict[str, Any]) -> None:
        """Sends the value at the instant, or at the next one at which the referral sends nothing yet."""
        while at in self._instants:
            at += 1
        self._instants.add(at)
        self.posted.append(Posted(at, topic, record, value))
        line = encode({"at": stamp(at), "topic": topic, "type": record, "value": value})
        self.sent.append((at, self._number, line + b"\n"))

    def again(self, posted: Posted, at: int) -> None:
        """Sends a message once more, as it was, id and all."""
        self.post(at, posted.topic, posted.record, posted.value)


def moment(at: int) -> str:
    """A time that somebody wrote down: whole seconds."""
    return stamp(at - at % SECOND)


def date_of(at: int) -> int:
    """The London day of an instant in office hours, when it is the UTC one too."""
    return at // DAY

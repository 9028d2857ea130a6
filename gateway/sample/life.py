"""What is known of one referral while its messages are written."""

from typing import Any, Final

from msgspec import Struct

from gateway.sample.places import Contract
from gateway.sample.referral_messages import ReferralMessages
from gateway.sample.sessions import Timetable
from gateway.sample.shares import Draw

# Only for what people do about the limits: the rules take theirs from the policy.
SESSION_DAYS: Final = 15
WP11_DAYS: Final = 21
ATTACH_DAYS: Final = 28


class Life(Struct):
    """One referral. `number` is its place in the programme, from 0; `order` its last good revision as JSON.

    `now` is the instant up to which its provider has come, `attended_at` the start of the session that the
    participant came to, or 0, and `limit_at` the instant at which the referral is cancelled without a WP11.
    `restricted` says that it must be one-to-one, `appealing` that an appeal is pending.
    """

    number: int
    contract: Contract
    timetable: Timetable
    messages: ReferralMessages
    draw: Draw
    order: dict[str, Any] = {}
    referred_on: int = 0
    now: int = 0
    limit_at: int = 0
    attended_at: int = 0
    mandatory: bool = False
    appealing: bool = False
    restricted: bool = False

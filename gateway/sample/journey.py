"""One referral's life, from the purchase order to the attachment or the silence after it.

It is written as it goes: each step draws what happens and when, and sends what people would send.
"""

from gateway.sample.beginning import accept, amend, refer
from gateway.sample.inviting import hold_sessions
from gateway.sample.joining import join
from gateway.sample.life import Life
from gateway.sample.referral_messages import Sent
from gateway.sample.slips import slip


def journey(life: Life, day: int, at: int, again_at: int) -> list[Sent]:
    """All that is sent about a referral, in the order of writing; none of it before `day` begins.

    `day` is the London day of the download, `at` its instant in UTC ms, and `again_at` that of a second
    download of the same file, or 0.
    """
    if refer(life, day, at, again_at) and accept(life):
        amend(life)
        hold_sessions(life)
        join(life)
    slip(life)
    return life.messages.sent

"""The sandbox: an embedded log whose clock the caller moves, with referrals to try everything on."""

from typing import Final

from schemas.json import parse_instant

#: When a new sandbox begins, unless it begins today: a Monday morning.
BEGINS_AT: Final = parse_instant("2016-03-14T09:00:00Z")
#: Whose referrals are ready-made in it.
PROVIDER: Final = "PRV01"

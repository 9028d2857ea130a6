"""Providers: referrals by area beside the equal share, time limits kept, and attendance."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.console.charts import Chart, columns
from gateway.console.desk import Desk
from gateway.console.shares import SELDOM, Shares, shares
from gateway.reading.operators import Ages, Count, attendance, counts, late
from gateway.rules.calendar import add_working_days, london_day
from gateway.rules.policy import PolicyLimits

#: So many areas are drawn; all are in the table.
_MOST_DRAWN: Final = 8


@dataclass(frozen=True, slots=True)
class Area:
    """An area's referrals. providers: how many each provider has, the most first."""

    name: str
    providers: Sequence[tuple[str, int]]
    shares: Shares
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How often a provider has kept a time limit: of `of` referrals whose time is over, `kept`."""

    kept: int
    of: int

    @property
    def share(self) -> float | None:
        """In per cent; None: there is none to judge by."""
        return 100 * self.kept / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class OnTime:
    """A provider's time limits."""

    provider_id: str
    acceptance: Kept
    session: Kept
    joined: Kept
    attachment: Kept


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The page."""

    async def show(request: web.Request) -> web.Response:
        today = london_day(await desk.time())

        # Side by side: each goes through an index of all referrals, breaches or bookings.
        found, missed, came = await asyncio.gather(
            desk.ask(lambda view: counts(view, _over(today, desk.policies.on(today)))),
            desk.ask(late),
            desk.ask(lambda view: attendance(view, today)),
        )
        return desk.page(
            request,
            "providers.html",
            title="Providers",
            areas=_areas(found),
            on_time=_on_time(found, missed),
            limits=desk.policies.on(today),
            attendance=came,
            seldom=SELDOM,
        )

    return [web.get("/console/providers", show)]


def _areas(found: Sequence[Count]) -> list[Area]:
    by_area: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in found:
        by_area[each.contract_package_area][each.provider_id] += each.referrals
    areas = []
    for number, (name, providers) in enumerate(sorted(by_area.items())):
        shown = providers.most_common()
        equal = shares([count for _, count in shown])
        line = [("equal share", round(equal.expected))]
        chart = columns(shown, f"Referrals in {name}", line) if number < _MOST_DRAWN else None
        areas.append(Area(name, shown, equal, chart))
    return areas


def _over(today: int, limits: PolicyLimits) -> Ages:
    """Up to which day of referral the time limits of a policy are over."""
    accept = today
    while add_working_days(accept, limits.accept_within_working_days) >= today:
        accept -= 1
    return Ages(
        accept,
        today - limits.session_within_days - 1,
        today - limits.wp11_within_days - 1,
        today - limits.attach_within_days - 1,
    )


def _on_time(found: Sequence[Count], missed: dict[tuple[str, str], int]) -> list[OnTime]:
    """Of the referrals whose time is over, those without a breach that stands; for the WP11, who joined.

    A referral that was rejected owes nothing. The limits are those of today's policy.
    """
    by_provider: defaultdict[str, list[Count]] = defaultdict(list)
    for each in found:
        by_provider[each.provider_id].append(each)
    return [
        OnTime(
            provider_id,
            _kept(sum(each.acceptance for each in mine), missed.get((provider_id, "ACCEPTANCE_LATE"), 0)),
            _kept(sum(each.session for each in mine), missed.get((provider_id, "SESSION_LATE"), 0)),
            Kept(sum(each.joined for each in mine), sum(each.wp11 for each in mine)),
            _kept(sum(each.attachment for each in mine), missed.get((provider_id, "ATTACHMENT_LATE"), 0)),
        )
        for provider_id, mine in sorted(by_provider.items())
    ]


def _kept(over: int, late: int) -> Kept:
    return Kept(max(over - late, 0), over)

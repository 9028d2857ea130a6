"""Providers: referrals by area beside the equal share, time limits kept, and attendance."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.console.charts import Chart, columns
from gateway.console.desk import Desk
from gateway.console.shares import SELDOM, Shares, shares
from gateway.reading.operators import Attendance, Count, attendance, counts, late
from gateway.reading.view import View
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

        def question(
            view: View,
        ) -> tuple[list[Count], dict[tuple[str, str], int], list[Attendance]]:
            return counts(view), late(view), attendance(view, today)

        found, missed, came = await desk.ask(question)
        return desk.page(
            request,
            "providers.html",
            title="Providers",
            areas=_areas(found),
            on_time=_on_time(found, missed, today, desk.policies.on(today)),
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


def _on_time(
    found: Sequence[Count], missed: dict[tuple[str, str], int], today: int, limits: PolicyLimits
) -> list[OnTime]:
    """Of the referrals whose time is over, those without a breach that stands; for the WP11, who joined.

    A referral that was rejected owes nothing. The limits are those of today's policy.
    """
    over: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in found:
        if each.status == "REJECTED":
            continue
        age, mine = today - each.referred_on, over[each.provider_id]
        accept_by = add_working_days(each.referred_on, limits.accept_within_working_days)
        mine["acceptance"] += each.referrals if today > accept_by else 0
        mine["session"] += each.referrals if age > limits.session_within_days else 0
        if age > limits.wp11_within_days:
            mine["wp11"] += each.referrals
            mine["joined"] += each.referrals if each.status in {"JOINING", "ATTACHED"} else 0
        if age > limits.attach_within_days and each.status in {"JOINING", "ATTACHED"}:
            mine["attachment"] += each.referrals
    return [
        OnTime(
            provider_id,
            _kept(mine["acceptance"], missed.get((provider_id, "ACCEPTANCE_LATE"), 0)),
            _kept(mine["session"], missed.get((provider_id, "SESSION_LATE"), 0)),
            Kept(mine["joined"], mine["wp11"]),
            _kept(mine["attachment"], missed.get((provider_id, "ATTACHMENT_LATE"), 0)),
        )
        for provider_id, mine in sorted(over.items())
    ]


def _kept(over: int, late: int) -> Kept:
    return Kept(max(over - late, 0), over)

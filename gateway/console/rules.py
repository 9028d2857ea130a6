"""Rules: the policy in force, the deadlines, the checks of each message, and the guidance they cite."""

from collections.abc import Sequence

from aiohttp import web
from msgspec import structs

from gateway.console.desk import Desk
from gateway.rules.calendar import day_text, london_day
from gateway.rules.deadlines import DEADLINES
from gateway.rules.decide import ROWS, SEEN, SHARED
from gateway.rules.guidance import SAYS, SOURCES
from gateway.rules.messages import TOPIC_OF
from gateway.rules.policy import purposes


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """The page."""

    async def show(request: web.Request) -> web.Response:
        today = london_day(await desk.time())
        policies = desk.policies
        in_force = policies.on(today)
        values = structs.asdict(in_force)
        purpose = purposes()

        def limit(name: str) -> str:
            value = values[name]
            if name != "referrals_until":
                return f"{value:,}"
            return "none" if value is None else day_text(value)

        return desk.page(
            request,
            "rules.html",
            title="Rules",
            today=today,
            from_days=policies.from_days,
            limits=[(name, limit(name), purpose[name]) for name in values],
            deadlines=DEADLINES,
            limited=lambda text: text.format_map(values),
            shared=(SEEN, *SHARED),
            messages=[(row.record.__name__, TOPIC_OF[row.record], row) for row in ROWS.values()],
            guidance=SAYS,
            sources=SOURCES,
        )

    return [web.get("/console/rules", show)]

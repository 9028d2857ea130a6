"""`PUT` and `GET /v1/delivery-plans`: how a provider plans to deliver the sessions (WP19 ¶24)."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakValueDictionary

from aiohttp import web
from msgspec import json

from gateway.api.idempotency import Message, not_sure
from gateway.api.operation import JSON, Answer, Operation, in_path
from gateway.api.problems import Problem
from gateway.api.rendering import delivery_plan
from gateway.api.request_id import trace_of
from gateway.api.requests import PROVIDER, caller_of, provider_of, providers_of, read_object
from gateway.api.responses import answer
from gateway.api.sending import (
    PLAN_KEY,
    idempotency_key,
    key_reused,
    refuse_other_provider,
    refuse_where_nothing_can_be_posted,
)
from gateway.api.services import Services
from gateway.api.views import DeliveryPlanList, DeliveryPlanView
from gateway.engine.log import DELIVERY_PLANS, LogError
from gateway.reading.view import View
from gateway.rules.events import DeliveryPlan
from producers.delivery_plans import draft
from schemas.json import InvalidJson, parse_as
from schemas.limits import ID_PATTERN, LONGEST_ID

LONGEST_TEXT: Final = 2_000
#: How long an answer waits until the plan can be asked for.
SHOWN_S: Final = 2.0

AREA: Final = in_path(
    "contract_package_area",
    "The area that the plan is for.",
    "CPA01",
    maxLength=LONGEST_ID,
    pattern=ID_PATTERN,
)
PUT_PLAN: Final = Operation(
    id="putDeliveryPlan",
    method="PUT",
    path="/v1/delivery-plans/{contract_package_area}",
    tag="delivery plans",
    summary="Say how you plan to deliver the sessions in an area (WP19 ¶24)",
    about="It takes the place of the area's plan before it.",
    parameters=(AREA, PLAN_KEY, PROVIDER),
    takes={JSON: "DeliveryPlan"},
    answers={200: Answer("The plan, as it was put.", DeliveryPlanView)},
    problems={
        400: ("BAD_IDEMPOTENCY_KEY", "INVALID_PLAN", "PROVIDER_NEEDED"),
        409: ("READ_ONLY", "TOO_MANY_PLANS"),
        422: ("IDEMPOTENCY_KEY_REUSED",),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
)
LIST_PLANS: Final = Operation(
    id="listDeliveryPlans",
    method="GET",
    path="/v1/delivery-plans",
    tag="delivery plans",
    summary="The plans that you have put",
    parameters=(PROVIDER,),
    answers={200: Answer("The plans in force, of each provider that you stand for.", DeliveryPlanList)},
)


class Plans:
    """How the caller plans to deliver the sessions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def routes(self) -> Sequence[web.RouteDef]:
        """Where plans are put and asked for."""
        return [PUT_PLAN.route(self._put), LIST_PLANS.route(self._show)]

    async def _put(self, request: web.Request) -> web.Response:
        """Put a plan in the place of the area's last one, which is all that the topic keeps of it."""
        provider_id = provider_of(request)
        refuse_where_nothing_can_be_posted(self._services)
        given = request.headers.getall("Idempotency-Key", [])
        message_id = idempotency_key(request) if given else str(uuid.uuid4())
        value = await read_object(request)
        refuse_other_provider(request, value, provider_id)
        plan = _read(value, message_id, provider_id, request.match_info["contract_package_area"])
        async with self._one_at_a_time.setdefault(provider_id, asyncio.Lock()):
            await self._take(request, plan)
        return answer(request, delivery_plan(plan))

    async def _take(self, request: web.Request, plan: DeliveryPlan) -> None:
        """Put a plan that has not come before, with the keys of the area's earlier ones.

        What another process has taken is read first: else a plan that comes again could take the place of a
        later one. Raises Problem.
        """
        services, caller, ask = self._services, caller_of(request).id, partial(self._services.ask, request)
        of = plan.provider_id, plan.contract_package_area
        try:
            await services.model.reach([DELIVERY_PLANS])
        except (LogError, TimeoutError):
            raise not_sure() from None
        keyed, areas, earlier = await ask(
            lambda view: (
                view.keyed(caller, plan.message_id),
                view.areas(plan.provider_id),
                view.plan_keys(*of),
            )
        )
        most = services.limits.plans_of_provider
        if keyed is None and plan.contract_package_area not in areas and len(areas) >= most:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"There are plans for {most} areas, and no more are taken; put one for an area that has one.",
                code="TOO_MANY_PLANS",
            )
        drafted = draft(plan, trace_of(request), caller, earlier)
        message = Message(None, plan.provider_id, drafted)
        with services.model.woken_for([DELIVERY_PLANS], [plan.provider_id]) as woken:
            if await services.idempotency.take({(caller, plan.message_id): message}, ask):
                raise key_reused("plan")
            # Whoever asks for it next shall find it; where that takes long, it is on the log all the same.
            with suppress(TimeoutError):
                async with asyncio.timeout(SHOWN_S):
                    while await ask(lambda view: view.keyed(caller, plan.message_id)) is None:
                        await woken.wait()
                        woken.clear()

    async def _show(self, request: web.Request) -> web.Response:
        """The plans in force of the providers that the caller stands for."""
        providers = sorted(providers_of(request))

        def plans(view: View) -> bytes:
            found = [delivery_plan(plan) for each in providers for plan in view.plans(each)]
            return json.encode(DeliveryPlanList(delivery_plans=found))

        return answer(request, await self._services.ask(request, plans))


def _read(value: dict[str, Any], message_id: str, provider_id: str, area: str) -> DeliveryPlan:
    """The plan of a body. Raises Problem."""
    given = {"message_id": message_id, "provider_id": provider_id, "contract_package_area": area}
    for name in given:
        if name in value:
            raise _wrong(name, f"{name} is not part of the body; take it out.")
    try:
        plan = parse_as(DeliveryPlan, value | given)
    except InvalidJson as error:
        raise _wrong(error.field or None, f"{error}.") from None
    if not plan.formats or len(set(plan.formats)) < len(plan.formats):
        raise _wrong("formats", "formats must name GROUP, ONE_TO_ONE, or each of them once.")
    if plan.group_size < 1:
        raise _wrong("group_size", "group_size must be at least 1.")
    return plan


def _wrong(field: str | None, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail, code="INVALID_PLAN", field=field)

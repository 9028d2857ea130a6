"""`PUT` and `GET /v1/delivery-plan`: how a provider plans to deliver the sessions (WP19 ¶24)."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from gateway.api.desk import LONGEST_ID, PROVIDER, Desk, answer, providers_of, read_object
from gateway.api.idempotency import Message
from gateway.api.operation import JSON, Answer, Operation
from gateway.api.problems import Problem
from gateway.api.rendering import delivery_plan
from gateway.api.sending import (
    PLAN_KEY,
    idempotency_key,
    key_reused,
    refuse_other_provider,
    refuse_where_nothing_can_be_posted,
    trace_of,
)
from gateway.api.views import DeliveryPlanList, DeliveryPlanView
from gateway.rules.events import DeliveryPlan
from producers.delivery_plans import draft
from schemas.json import InvalidJson, parse_as

LONGEST_TEXT: Final = 10_000
#: How long an answer waits until the plan can be asked for.
SHOWN_S: Final = 2.0

PUT_PLAN: Final = Operation(
    id="putDeliveryPlan",
    method="PUT",
    path="/v1/delivery-plan",
    tag="delivery plans",
    summary="Say how you plan to deliver the sessions (WP19 ¶24)",
    about="It takes the place of the plan before it.",
    parameters=(PLAN_KEY, PROVIDER),
    takes={JSON: "DeliveryPlan"},
    answers={200: Answer("The plan, as it was put.", DeliveryPlanView)},
    problems={
        400: ("BAD_IDEMPOTENCY_KEY", "INVALID_PLAN", "PROVIDER_NEEDED"),
        409: ("READ_ONLY",),
        422: ("IDEMPOTENCY_KEY_REUSED",),
        503: ("CLOCK_LEAPT", "TRY_AGAIN"),
    },
)
GET_PLAN: Final = Operation(
    id="getDeliveryPlan",
    method="GET",
    path="/v1/delivery-plan",
    tag="delivery plans",
    summary="The plan that you have put",
    parameters=(PROVIDER,),
    answers={200: Answer("The plan in force, of each provider that you stand for.", DeliveryPlanList)},
)


def routes(desk: Desk) -> Sequence[web.RouteDef]:
    """How the caller plans to deliver the sessions."""

    async def put(request: web.Request) -> web.Response:
        """Put a plan in the place of the provider's last one: the topic keeps one for each provider."""
        provider_id = _the_provider(request)
        refuse_where_nothing_can_be_posted(desk)
        given = request.headers.getall("Idempotency-Key", [])
        message_id = idempotency_key(request) if given else str(uuid.uuid4())
        value = await read_object(request)
        refuse_other_provider(request, value, provider_id)
        plan = _read(value, message_id, provider_id)
        with desk.model.woken_for([provider_id]) as woken:
            message = Message(None, draft(plan, trace_of(request)))
            if await desk.idempotency.take({(provider_id, message_id): message}):
                raise key_reused("plan")
            # Whoever asks for it next shall find it; where that takes long, it is on the log all the same.
            with suppress(TimeoutError):
                async with asyncio.timeout(SHOWN_S):
                    while desk.view.keyed(provider_id, message_id) is None:
                        await woken.wait()
                        woken.clear()
        return answer(request, delivery_plan(plan))

    async def show(request: web.Request) -> web.Response:
        """The plans in force of the providers that the caller stands for."""
        plans = [plan for each in sorted(providers_of(request)) if (plan := desk.view.plan(each)) is not None]
        return answer(request, DeliveryPlanList(delivery_plans=[delivery_plan(plan) for plan in plans]))

    return [PUT_PLAN.route(put), GET_PLAN.route(show)]


def _the_provider(request: web.Request) -> str:
    providers = providers_of(request)
    if len(providers) > 1:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "The token stands for several providers; say which one with ?provider_id=.",
            code="PROVIDER_NEEDED",
            field="provider_id",
        )
    return next(iter(providers))


def _read(value: dict[str, Any], message_id: str, provider_id: str) -> DeliveryPlan:
    """The plan of a body. Raises Problem."""
    for name in ("message_id", "provider_id"):
        if name in value:
            raise _wrong(name, f"{name} is not part of the body; take it out.")
    try:
        plan = parse_as(DeliveryPlan, value | {"message_id": message_id, "provider_id": provider_id})
    except InvalidJson as error:
        raise _wrong(error.field or None, f"{error}.") from None
    if not plan.formats or len(set(plan.formats)) < len(plan.formats):
        raise _wrong("formats", "formats must name GROUP, ONE_TO_ONE, or each of them once.")
    if plan.group_size < 1:
        raise _wrong("group_size", "group_size must be at least 1.")
    if not 1 <= len(plan.contract_package_area) <= LONGEST_ID:
        raise _wrong(
            "contract_package_area", f"contract_package_area must have 1 to {LONGEST_ID} characters."
        )
    if len(plan.timings) > LONGEST_TEXT:
        raise _wrong("timings", f"timings is longer than {LONGEST_TEXT:,} characters; shorten it.")
    return plan


def _wrong(field: str | None, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail, code="INVALID_PLAN", field=field)

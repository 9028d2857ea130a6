"""What `gateway tail` prints of a topic on which nothing is decided."""

import asyncio
from pathlib import Path
from typing import cast

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import DELIVERY_PLANS
from gateway.rules.events import DeliveryPlan
from producers.delivery_plans import draft
from tests.cli.conftest import Gateway
from tests.schemas.examples import EXAMPLES

AT = 1_457_946_000_000


async def put_plan(folder: Path) -> None:
    """A provider's plan is on the log."""
    log = await open_embedded(folder / "gateway.db", now=lambda: AT)
    await log.append([draft(cast(DeliveryPlan, EXAMPLES["DeliveryPlan"]))])
    await log.close()


def test_a_delivery_plan_is_printed_with_its_provider_as_key_and_when_it_came(
    gateway: Gateway, tmp_path: Path
) -> None:
    asyncio.run(put_plan(tmp_path))
    for topics in ((), (DELIVERY_PLANS,)):
        (line,) = gateway("tail", *topics, "--from-start", "--no-follow").lines
        value = line.pop("value")
        assert line == {
            "at": "2016-03-14T09:00:00Z",
            "topic": DELIVERY_PLANS,
            "type": "DeliveryPlan",
            "key": "PRV01",
        }
        assert (value["provider_id"], value["formats"]) == ("PRV01", ["GROUP", "ONE_TO_ONE"])
    assert gateway("tail", "gateway.outcomes", "--from-start", "--no-follow").lines == []

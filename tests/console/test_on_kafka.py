"""The console of one of two processes on a real broker, each of which is taken away."""

import asyncio
import re
import signal
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Draft
from schemas.codec import encode
from tests.api.tokens import AUDIENCE, ISSUER, usual_keys
from tests.broker.broker import Broker
from tests.console.conftest import OFFICER, Site, check, gateway
from tests.engine.letters import referral
from tests.kafka.deciding import make
from tests.kafka.gateways import running
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

PARTITIONS = 3
PREFIX = "console."


def apart(work: Coroutine[object, object, None]) -> None:
    """Do it in a thread of its own: in this one, the browser has an event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@dataclass
class OnKafka:
    """A gateway with a console on a broker of its own."""

    broker: Broker
    site: Site
    settings: Mapping[str, str]

    def put(self, topic: str, *records: tuple[str, bytes]) -> None:
        """Put records on a topic, by their keys."""

        async def work() -> None:
            log = KafkaLog(BrokerConnection((self.broker.bootstrap,)), prefix=PREFIX)
            try:
                await log.append(Draft(topic, key.encode(), value) for key, value in records)
            finally:
                await log.close()

        apart(work())


@pytest.fixture(scope="module")
def on_kafka(java: None, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnKafka]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        broker.start()
        apart(make(broker.bootstrap, PREFIX, partitions=PARTITIONS))
        folder = tmp_path_factory.mktemp("console")
        (folder / "keys.json").write_bytes(usual_keys())
        settings = {
            "log_url": f"kafka://{broker.bootstrap}",
            "topic_prefix": PREFIX,
            "session_timeout_s": "20",
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
            "jwks_file": str(folder / "keys.json"),
        }
        with gateway(folder, **settings) as process:
            yield OnKafka(broker, Site(process, browser), settings)


@pytest.fixture(scope="module")
def officer(on_kafka: OnKafka) -> Iterator[Page]:
    with on_kafka.site.visit(OFFICER) as page:
        eventually(lambda: page.goto("/console/") and page.get_by_role("heading", name="Now").count())
        yield page


def owners(page: Page) -> list[tuple[str, int]]:
    """For each partition its owner and how many records wait on it, as the first page says."""
    page.goto("/console/")
    found = page.get_by_role("region", name="Partitions").locator("tbody tr").all()
    rows = [row.locator("td").all_inner_texts() for row in found]
    return [(owner, int(waiting.replace(",", "") or "-1")) for owner, waiting, *_ in rows]


def test_a_dead_letter_is_replayed_from_the_page_which_shows_that_at_once(
    on_kafka: OnKafka, officer: Page
) -> None:
    on_kafka.put("jobcentre.wp11", ("PO1", b"nothing that can be read"))
    officer.goto("/console/dead-letters")
    eventually(lambda: officer.reload() and officer.get_by_role("link", name="jobcentre.wp11-").count())
    officer.get_by_role("link", name="jobcentre.wp11-").click()
    name = officer.get_by_role("heading", level=1).inner_text()
    officer.get_by_label("Reason").fill("Try it again")
    officer.get_by_role("button", name="Replay").click()
    expect(officer.get_by_role("row", name="Dead letter replayed")).to_contain_text("Try it again")
    expect(officer.locator("dl")).to_contain_text("Replayed")
    eventually(lambda: officer.reload() and officer.get_by_text("failed again as").count())
    officer.get_by_role("link", name="jobcentre.wp11-").click()
    expect(officer.get_by_role("heading", level=1)).not_to_have_text(name)
    officer.get_by_label("Reason").fill("The sender has been told")
    officer.get_by_role("button", name="Discard").click()
    expect(officer.locator("dl")).to_contain_text("Discarded")
    officer.goto("/console/dead-letters")
    expect(officer.get_by_text("No dead letter waits. 2 were handled before.")).to_be_visible()
    check(officer)


def test_the_owner_and_the_lag_of_all_partitions_are_shown_also_of_a_process_that_hangs_or_dies(
    on_kafka: OnKafka, officer: Page, tmp_path: Path
) -> None:
    mine = ("this process", 0)
    eventually(lambda: owners(officer) == [mine] * PARTITIONS)
    bootstrap = on_kafka.broker.bootstrap
    with running(tmp_path, bootstrap, PREFIX, session_timeout_s="20", http_port="0") as other:
        its = f"/{other.process.pid} (127.0.0.1)"
        eventually(lambda: sum(owner.endswith(its) for owner, _ in owners(officer)) == 1)
        check(officer)
        other.process.send_signal(signal.SIGSTOP)
        messages = [referral(f"PO{number}", f"m{number}") for number in range(30)]
        on_kafka.put("prap.referrals", *((each.po_number, encode(each)) for each in messages))
        eventually(lambda: any(owner.endswith(its) and waiting for owner, waiting in owners(officer)))
        eventually(lambda: owners(officer) == [mine] * PARTITIONS)
        other.process.send_signal(signal.SIGCONT)


def test_nobody_signs_in_with_a_development_token_on_kafka(on_kafka: OnKafka, tmp_path: Path) -> None:
    """A process that names no provider for operators lets nobody in."""
    own = {**on_kafka.settings, "http_port": str(port := free_port())}
    with running(tmp_path, "", PREFIX, **own) as other:
        eventually(lambda: "http.started" in other.said)
        with pytest.raises(HTTPError) as refused:
            urlopen(f"http://127.0.0.1:{port}/console/sign-in", timeout=PATIENCE_S)
        assert refused.value.status == 503
        text = refused.value.read().decode()
    assert "Nobody can sign in yet." in text
    assert "<form" not in text


def test_brokers_that_are_away_are_said_to_be_and_are_found_again(on_kafka: OnKafka, officer: Page) -> None:
    on_kafka.broker.stop()
    said = officer.get_by_role("alert").filter(has_text=on_kafka.broker.bootstrap)
    eventually(lambda: officer.goto("/console/") and said.count())
    check(officer)
    answer = officer.goto("/console/dead-letters")
    assert answer is not None
    assert answer.ok, "what has been read is there"
    officer.goto("/console/what-if")
    officer.get_by_role("button", name="Compare").click()
    expect(officer.get_by_text("brokers").first).to_be_visible(timeout=1_000 * PATIENCE_S)
    answer = officer.goto("/console/reports/csv?report=breaches")
    assert answer is not None
    assert answer.status == 503
    expect(officer.get_by_text("The brokers failed")).to_be_visible()
    check(officer)
    on_kafka.broker.start()
    eventually(lambda: officer.goto("/console/") and not officer.get_by_role("alert").count())


def test_a_report_and_a_comparison_are_made_of_a_log_on_kafka(on_kafka: OnKafka, officer: Page) -> None:
    """Of the referrals that came to it, read from its topics."""
    report = officer.request.get("/console/reports/csv?report=cancellations")
    assert report.ok
    assert report.text().lstrip("\ufeff").startswith('"decided_at","po_number"')
    officer.goto("/console/what-if")
    officer.get_by_label("Policy").fill("[[policy]]\nfrom = 2011-06-01\naccept_within_working_days = 9\n")
    officer.get_by_role("button", name="Compare").click()
    compared = officer.get_by_text(re.compile("of 30 purchase orders would have been decided otherwise"))
    expect(compared).to_be_visible(timeout=1_000 * PATIENCE_S)


def test_a_page_that_can_not_be_updated_says_so(on_kafka: OnKafka, officer: Page) -> None:
    officer.clock.install()
    officer.goto("/console/")
    officer.clock.run_for(6_000)
    said = officer.get_by_role("status")
    expect(said).to_have_text("")
    on_kafka.site.process.kill()
    officer.clock.run_for(6_000)
    expect(said).to_have_text("This page can’t be updated at the moment, so it shows how things were.")

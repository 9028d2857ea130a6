"""Traces by OTLP: what a real receiver gets over HTTP, decoded."""

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Draft
from gateway.engine.workers import Workers
from gateway.intake.lines import read_lines
from gateway.processes.traces import traced
from gateway.processes.wiring import WIRING
from gateway.rules.messages import TOPIC_OF
from gateway.rules.policy import shipped
from gateway.system import telemetry
from producers import trace_ids_of_order
from schemas.codec import encode
from schemas.json import parse_instant
from tests.cli.running import Json, json_lines, life, spawn
from tests.log.reading import followed
from tests.patience import PATIENCE_S, in_the_end

UNTIL: Final = "2016-06-01T00:00:00Z"
TRACE, SENDER = "ab" * 16, "cd" * 8
#: The message of the life that came with a trace, and one whose sender takes no part in traces.
TRACED, UNSAMPLED = "AttendanceRecorded", "GroupObjection"


class Collector:
    """An OTLP receiver. status: what it answers; None: nothing, until it is let go."""

    def __init__(self, status: int | None = 200) -> None:
        self.status = status
        self.asked: list[tuple[str, str]] = []
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self._let_go = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.append((self.path, self.headers["Content-Type"]))
                if collector.status is None:
                    collector._let_go.wait(PATIENCE_S)
                    return
                if collector.status == 200:
                    collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep what was sent."""
        for of in request.resource_spans:
            self.resources.append({each.key: each.value.string_value for each in of.resource.attributes})
            for scope in of.scope_spans:
                self.spans += scope.spans

    @contextmanager
    def listening(self) -> Iterator["Collector"]:
        """For as long as the block lasts."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._let_go.set()
            self._server.shutdown()
            self._server.server_close()


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: each.value.string_value for each in span.attributes}


async def decided(log: EmbeddedLog, collector: Collector, most_waiting: int = 8_192) -> int:
    """Decide a life on it, with traces; returns how many messages and deadlines."""
    drafts = []
    for line in read_lines(json_lines(marked()).splitlines()):
        message = line.message
        assert message is not None
        flags = {TRACED: "01", UNSAMPLED: "00"}.get(type(message).__name__)
        headers = () if flags is None else (("traceparent", f"00-{TRACE}-{SENDER}-{flags}".encode()),)
        drafts.append(
            Draft(TOPIC_OF[type(message)], message.po_number.encode(), encode(message), headers, line.at)
        )
    await log.append(drafts)
    async with traced(collector.url, None, most_waiting=most_waiting) as traces:
        workers = Workers(log, shipped(), WIRING, until=parse_instant(UNTIL), observer=traces)
        await workers.run(asyncio.Event())
    return workers.decided


def marked() -> list[Json]:
    """A life, with a mark in all that is about a person or is free text."""
    lines = life()
    lines[0]["value"]["participant"] = {"nino": "AB123456C", "forename": "Qzforename", "surname": "Qzsurname"}
    lines[3]["value"]["reason_given"] = "Qzreason"
    return lines


@pytest.fixture
async def log(tmp_path: Path) -> Any:
    log = await open_embedded(tmp_path / "gateway.db", clock="log", own=True)
    yield log
    await log.close()


async def test_a_referral_is_a_trace_from_its_prap_message_to_its_last_event(log: EmbeddedLog) -> None:
    """What fell due in silence included, each at its own instant; and nothing about a person is in it."""
    with Collector().listening() as collector:
        await decided(log, collector)
    assert set(collector.asked) == {("/v1/traces", "application/x-protobuf")}
    assert {each["service.name"] for each in collector.resources} == {"information-session-gateway"}
    trace, first_span = trace_ids_of_order("PO1")
    trace_id, first_id = trace.to_bytes(16), first_span.to_bytes(8)
    own = [span for span in collector.spans if span.trace_id == trace_id]
    (first,) = [span for span in own if not span.parent_span_id]
    assert (first.name, first.span_id) == ("referral.received", first_id)
    assert {span.parent_span_id for span in own} == {b"", first_id}
    assert len({span.span_id for span in own}) == len(own)
    assert {"message.applied", "sanction.raised", "breach.raised", "referral.cancelled"} <= {
        span.name for span in own
    }
    for span in own:
        said = attributes(span)
        assert said["gateway.po_number"] == "PO1"
        assert parse_instant(said["gateway.decided_at"]) * 1_000_000 == span.start_time_unix_nano
        assert span.end_time_unix_nano == span.start_time_unix_nano  # the log's clock says nothing else
    (cancelled,) = [span for span in own if span.name == "referral.cancelled"]
    assert "gateway.message_id" not in attributes(cancelled)
    everything = b"".join(span.SerializeToString() for span in collector.spans)
    assert b"Qz" not in everything
    assert b"AB123456C" not in everything


async def test_a_message_that_came_with_a_trace_has_its_events_in_that_trace_too(log: EmbeddedLog) -> None:
    """They are the spans that the events' own headers name, below the sender's, with a link to the other."""
    with Collector().listening() as collector:
        await decided(log, collector)
    of_sender = {span.span_id: span for span in collector.spans if span.trace_id == bytes.fromhex(TRACE)}
    assert {span.parent_span_id for span in of_sender.values()} == {bytes.fromhex(SENDER)}
    assert {attributes(span)["gateway.message_id"] for span in of_sender.values()} == {
        f"PO1-{TRACED}-2016-03-18T12:00:00Z"
    }
    records = await followed(log, ["jobcentre.sanction-notifications"])
    named = dict(records[0].headers)["traceparent"].decode().split("-")[2]  # type: ignore[union-attr]
    (sanction,) = [span for span in of_sender.values() if span.name == "sanction.raised"]
    assert sanction.span_id.hex() == named
    (link,) = sanction.links
    (other,) = [
        span for span in collector.spans if span.trace_id == link.trace_id if span.name == sanction.name
    ]
    assert other.span_id == link.span_id
    assert (other.links[0].trace_id, other.links[0].span_id) == (sanction.trace_id, sanction.span_id)


async def test_a_span_lasts_until_its_event_was_committed_by_the_wall_clock(log: EmbeddedLog) -> None:
    at = parse_instant("2016-03-14T09:00:00Z")
    with Collector().listening() as collector:
        (line,) = read_lines([json_lines(life()[:1])])
        assert line.message is not None
        await log.append([Draft("prap.referrals", b"PO1", encode(line.message), (), at)])
        async with traced(collector.url, lambda: at + 250) as traces:
            workers = Workers(log, shipped(), WIRING, until=at, observer=traces)
            await workers.run(asyncio.Event())
    assert {span.end_time_unix_nano - span.start_time_unix_nano for span in collector.spans} == {250_000_000}


@pytest.mark.parametrize("status", [503, None], ids=["refuses", "hangs"])
async def test_no_decision_waits_for_a_collector_that_takes_nothing(
    status: int | None, log: EmbeddedLog, tmp_path: Path
) -> None:
    """All is decided; spans beyond the bound are dropped, and the log says that they are not taken."""
    stream = io.StringIO()
    telemetry.configure("info", stream)
    try:
        with Collector(status).listening() as collector:
            assert await decided(log, collector, most_waiting=4) > 5
            await in_the_end(lambda: bool(collector.asked))
        await in_the_end(lambda: "traces.not_sent" in stream.getvalue())
    finally:
        structlog.reset_defaults()
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events.count("traces.not_sent") == events.count("traces.dropped") == 1
    assert collector.spans == []


def test_the_command_sends_traces_where_that_is_configured(tmp_path: Path) -> None:
    environment = {"GATEWAY_LOG_URL": f"sqlite:///{tmp_path / 'gateway.db'}"}
    fed = spawn("feed", "--keep-time", "-", cwd=tmp_path, stdin=json_lines(life()), environment=environment)
    assert fed.status == 0
    with Collector().listening() as collector:
        ended = spawn(
            *("run", "--clock", "log", "--until", UNTIL),
            cwd=tmp_path,
            environment=environment | {"GATEWAY_OTLP_ENDPOINT": collector.url + "/"},
        )
    assert ended.status == 0
    assert {path for path, _ in collector.asked} == {"/v1/traces"}
    logged = [line for line in map(json.loads, ended.err.splitlines()) if "event_id" in line]
    assert {line["event_id"] for line in logged} <= {
        attributes(span)["gateway.event_id"] for span in collector.spans
    }


def test_nothing_of_opentelemetry_is_imported_where_no_traces_are_sent() -> None:
    program = (
        "import gateway.cli.main, gateway.cli.run, gateway.processes.start, gateway.processes.serving, sys; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google', 'requests'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

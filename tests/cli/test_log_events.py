"""Every log line has a name and fields that telemetry lists, and docs/operations/log-events.md shows."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import gateway
from gateway.api.metrics import METRICS
from gateway.reading.log_lines import NAMES
from gateway.system import telemetry
from gateway.system.telemetry import LOG_EVENTS
from tests.cli.operations import OPERATIONS, TABLES, current

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "msg", "log"}
ROOT = Path(gateway.__file__).parents[1]
PRODUCT = ("gateway", "schemas", "consumers", "producers")
SOURCES = sorted(path for room in PRODUCT for path in (ROOT / room).rglob("*.py"))

Logged = tuple[str, str, ast.Call]


def logging_calls() -> Iterator[Logged]:
    """Where it is, the level and the call of everything in the product that logs."""
    for path in SOURCES:
        place = path.relative_to(ROOT)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and _is_logger(node.func.value)
            ):
                yield f"{place}:{node.lineno}", node.func.attr, node


def _is_logger(node: ast.expr) -> bool:
    name = ast.unparse(node)
    return name in {"say", "self._say", "_log()"} or "get_logger" in name or "logg" in name


def test_each_line_that_is_logged_has_a_name_and_fields_that_are_listed() -> None:
    said = set()
    for where, level, call in logging_calls():
        assert len(call.args) == 1, where
        name = ast.literal_eval(call.args[0])
        assert name in LOG_EVENTS, f"{where}: {name} is not listed in gateway/system/telemetry.py"
        event = LOG_EVENTS[name]
        assert level == event.level, f"{where}: {name} is listed as {event.level}"
        said.add(name)
        for field in call.keywords:
            # Several fields at once, as in **facts, are checked when they are logged: see the next tests.
            assert field.arg is None or field.arg in event.fields, f"{where}: {field.arg} is not listed"
    # Those of decisions have a table: tests/reading/test_log_lines.py.
    assert said | NAMES == set(LOG_EVENTS), "listed in gateway/system/telemetry.py, and nowhere logged"


def test_nothing_logs_past_the_list() -> None:
    for path in SOURCES:
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert "logging" not in imported or path.name == "telemetry.py", path


@pytest.mark.parametrize("page", TABLES)
def test_the_table_in_an_operations_page_is_that_of_the_code(page: str) -> None:
    text = (OPERATIONS / page).read_text("utf-8")
    assert text == current(page), "out of date; write it with: .venv/bin/python -m tests.cli.operations"


def test_the_metrics_that_the_operations_page_alerts_on_exist() -> None:
    page = (OPERATIONS / "metrics.md").read_text("utf-8")
    named = set(re.findall(r"gateway_\w+", page))
    series = {metric.name for metric in METRICS}
    series |= {f"{metric.name}_bucket" for metric in METRICS if metric.kind == "histogram"}
    assert named <= series
    assert named >= {metric.name for metric in METRICS}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    telemetry.configure("debug", stream)
    yield stream
    structlog.reset_defaults()


def test_fields_that_are_not_listed_are_dropped(logged: io.StringIO) -> None:
    structlog.get_logger().info("message.refused", code="X", participant="Featherstonehaugh")
    structlog.get_logger().info("nobody.listed_it", participant="Featherstonehaugh")
    structlog.get_logger().error("message.failed", exc_info=ValueError("Featherstonehaugh"))
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [sorted(line) for line in lines] == [
        ["code", "event", "level", "timestamp"],
        ["event", "level", "timestamp"],
        ["event", "level", "timestamp", "what_to_do"],
    ]


def test_a_line_of_an_error_says_what_to_do_itself(logged: io.StringIO) -> None:
    """Those without words of their own have a field with the sentence of what went wrong, which ends so."""
    for name, event in LOG_EVENTS.items():
        if event.level == "error":
            structlog.get_logger().error(name, **dict.fromkeys(event.fields, "x"))
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert len(lines) > 5
    silent = {line["event"] for line in lines if "what_to_do" not in line}
    assert silent == {"partition.records_lost"}, "its `error` does"


def test_lines_that_were_dropped_are_counted_with_what_to_do(logged: io.StringIO) -> None:
    telemetry._note_dropped(17)
    line = json.loads(logged.getvalue())
    assert (line["event"], line["lines"]) == ("log.dropped", 17)
    assert line["what_to_do"] == "See to whoever reads standard error: a pipe, or the collector of the logs."


def test_an_id_from_outside_is_cut_and_cannot_act_on_a_terminal(logged: io.StringIO) -> None:
    structlog.get_logger().info("message.refused", message_id="x" * 10_000, po_number="\x1b[2J\nPO")
    line = json.loads(logged.getvalue())
    assert len(line["message_id"]) == telemetry.LONGEST_VALUE + 1
    assert line["po_number"] == "\\x1b[2J\\nPO"


def test_of_what_a_library_logs_only_its_name_is_logged(logged: io.StringIO) -> None:
    logging.getLogger("some.library").error("Task exception was never retrieved: Featherstonehaugh")
    line = json.loads(logged.getvalue())
    assert (line["event"], line["logger"], line["times"]) == ("library.complained", "some.library", 1)
    assert "Featherstonehaugh" not in logged.getvalue()


def test_what_a_library_says_to_its_developers_is_not_even_put_into_words(logged: io.StringIO) -> None:
    """At debug, that of Kafka's client quotes keys and values of messages."""
    for name in ("aiokafka.producer.producer", "aiokafka.consumer.fetcher", "aiokafka.conn"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_a_library_that_complains_all_the_time_is_logged_once_a_minute(logged: io.StringIO) -> None:
    now_s = 1_000.0
    complaints = telemetry._Complaints(lambda: now_s)
    for seconds, name in ((0, "a"), (0, "a"), (59, "b"), (59, "a"), (60, "a"), (61, "a"), (120, "a")):
        now_s = 1_000.0 + seconds
        complaints.handle(logging.LogRecord(name, logging.WARNING, "", 1, "Featherstonehaugh", (), None))
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [(line["logger"], line["times"]) for line in lines] == [("a", 1), ("b", 1), ("a", 3), ("a", 2)]


def test_what_is_less_grave_than_the_level_is_not_logged() -> None:
    stream = io.StringIO()
    telemetry.configure("warning", stream)
    structlog.get_logger().info("gateway.started")
    structlog.get_logger().debug("step.committed")
    assert stream.getvalue() == ""
    structlog.reset_defaults()

"""What watches the gateway: Prometheus's rules, and Grafana's dashboard."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from ruamel.yaml import YAML

from gateway.api.callers.keyring import Keyring
from gateway.api.callers.sources import from_file
from gateway.api.metrics import METRICS
from gateway.api.surroundings import Surroundings
from tests.api.serving import gateway
from tests.deploy.tools import ROOT, checked
from tests.docs.pages import anchors

ALERTS: Final = ROOT / "deploy" / "alerts.yml"
TESTS: Final = Path(__file__).with_name("alerts.test.yml")
DASHBOARD: Final = ROOT / "deploy" / "grafana.json"
#: In the place of what is not there.
_UNKNOWN: Final = object()
PAGE: Final = ROOT / "docs" / "operations" / "alerts.md"


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(ALERTS)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def asked() -> list[str]:
    """Every expression that Prometheus is asked by the dashboard."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


async def test_the_metrics_follow_the_conventions_of_prometheus(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    around = Surroundings({"log": path}, Keyring(from_file(path)), brokers="")
    async with gateway(path, around=around) as served:
        await served.until(lambda answer: answer.status == 200)
        text = (await served.ask("/metrics")).text
    checked("promtool", "check", "metrics", stdin=text)


def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    checked("promtool", "check", "config", ROOT / "deploy" / "prometheus.yml")


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    checked("promtool", "test", "rules", TESTS)


def test_each_alert_is_tried() -> None:
    tried = {case["name"] for case in YAML(typ="safe").load(TESTS)["tests"]}
    for rule in rules():
        assert {f"{rule['alert']} fires", f"{rule['alert']} keeps quiet"} <= tried


def test_each_alert_leads_to_what_to_do() -> None:
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / page == PAGE
        assert anchor == rule["alert"].lower()
        assert anchor in anchors(PAGE)
        assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {f"## {rule['alert']}" for rule in rules()} == {
        line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("## Gateway")
    }


def test_prometheus_takes_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked())]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    checked("promtool", "check", "rules", file)


@pytest.mark.parametrize("text", [*(rule["expr"] for rule in rules()), *asked()])
def test_what_is_asked_for_is_a_metric_of_the_gateway(text: str) -> None:
    named = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:gateway_\w+)", text)}
    assert named <= {metric.name for metric in METRICS}


def test_grafanas_schema_knows_all_that_the_dashboard_says() -> None:
    """Its classes, made from that schema, read the file and write it again; what they don't know is lost."""
    register_default_plugins()
    said = json.loads(DASHBOARD.read_text("utf-8"))
    assert lost(said, json.loads(JSONEncoder().encode(Dashboard.from_json(said)))) == []
    wrong = said | {"panells": said["panels"]}
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(wrong)))
    assert lost(wrong, known) == [".panells"]


def lost(said: Any, known: Any, place: str = "") -> list[str]:
    """Where something was said that is not known as it was said. What is known beside it are defaults."""
    if isinstance(said, dict) and isinstance(known, dict):
        return [
            each
            for name, value in said.items()
            for each in lost(value, known.get(name, _UNKNOWN), f"{place}.{name}")
        ]
    if isinstance(said, list) and isinstance(known, list) and len(said) == len(known):
        return [
            each
            for number, pair in enumerate(zip(said, known, strict=True))
            for each in lost(*pair, f"{place}[{number}]")
        ]
    return [] if said == known else [place]


def test_each_panel_is_told_from_the_others_and_overlaps_none() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len({panel["title"] for panel in found}) == len(found)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in found)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)

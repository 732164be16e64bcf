"""Dashboard and alerts name only metrics that there are, with the thresholds by which health is judged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aggregator.counters import COUNTERS
from aggregator.health import BEHIND_FROM_S, FULL_FROM, SILENT_AFTER_S, State
from aggregator.observation import Observation, Process
from writer.monitor.metrics import GAUGES, registry_of

DOCS = Path(__file__).parents[4] / "docs"
NAME = re.compile(r"\bhkagg_[a-z_]+")
MATCHER = re.compile(r"\b(hkagg_[a-z_]+)\{([^}]*)\}")
ADDED_BY_PROMETHEUS = {"job", "instance"}


def real() -> dict[str, set[str]]:
    """Return every sample name there is, with its labels."""
    labelled = {
        name: {"reason" if spec.label == "reason" else "a.b.feeds.c": 1} if spec.label else 1
        for name, spec in COUNTERS.items()
    }
    snapshot = {"now_ns": 5, "started_ns": 1, "file_opened_ns": 1, "counters": labelled}
    process = Process(alive=True, snapshot=snapshot)
    text = generate_latest(registry_of(lambda: (Observation(ingest=process, writer=process), 10))).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DOCS / "how-to/prometheus-alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard_expressions() -> list[str]:
    dashboard = json.loads((DOCS / "how-to/grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return expressions + [variable.get("definition", "") for variable in dashboard["templating"]["list"]]


def test_every_expression_names_real_metrics_and_labels() -> None:
    names = real()
    for expression in [*(rule["expr"] for rule in alerts()), *dashboard_expressions()]:
        for name in NAME.findall(expression):
            assert name in names, expression
        for name, matchers in MATCHER.findall(expression):
            used = {re.split("[=!]", matcher)[0] for matcher in matchers.split(",")}
            assert used <= names[name] | ADDED_BY_PROMETHEUS, expression


def test_alerts_judge_as_health_does() -> None:
    by_name = {rule["alert"]: rule["expr"] for rule in alerts()}
    assert by_name["HkaggBufferFilling"].endswith(f">= {FULL_FROM:g}")
    assert by_name["HkaggBehind"].endswith(f"> {BEHIND_FROM_S:g}")
    assert f"> {SILENT_AFTER_S:g} " in by_name["HkaggSilent"]
    states = set(re.findall(r'state="([a-z]+)"', " ".join(by_name.values())))
    assert states == {state.value for state in State} - {"recording"}


def test_the_reference_has_every_metric() -> None:
    page = (DOCS / "reference/metrics.md").read_text()
    assert "{metric-table} gauges" in page
    assert "{metric-table} counters" in page


def test_every_metric_has_a_sentence_of_help() -> None:
    texts = [gauge.help_text for gauge in GAUGES.values()]
    assert all(text.endswith(".") and len(text) > 10 for text in texts)


def test_a_total_and_its_parts_never_share_a_name() -> None:
    for name, labels in real().items():
        assert (labels != set()) == ("_by_" in name or name in LABELLED), name


LABELLED = {
    "hkagg_info",
    "hkagg_state",
    "hkagg_up",
    "hkagg_start_time_seconds",
    "hkagg_report_age_seconds",
}

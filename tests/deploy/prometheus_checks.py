"""Rules and dashboard against a Prometheus that scrapes running gateways."""

import json
import re

import pytest
import requests
import yaml
from conftest import DEPLOY, EXCHANGES, PATIENCE, until
from expressions import faults, parts, selectors

RULES = [yaml.safe_load(file.read_text()) for file in sorted((DEPLOY / "prometheus/rules").glob("*.yml"))]
RECORDS, ALERTS = (
    [rule for file in RULES for group in file["groups"] for rule in group["rules"] if kind in rule] for kind in ("record", "alert")
)
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/tidegate.json").read_text())
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
] + [pytest.param(note["expr"], id=f"annotation {note['name']}") for note in DASHBOARD["annotations"]["list"]]


@pytest.fixture(scope="session")
def choices(prometheus):
    """The dashboard's variables, each with everything that can be chosen."""
    out = {"__rate_interval": "1m"}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
            series = prometheus.get("series", **{"match[]": filled(found[1], out)})
            values = sorted({labels[found[2]] for labels in series})
            assert values, f"nothing to choose from: {variable['definition']}"
            out[variable["name"]] = "|".join(values)
    return out


def filled(expr, choices):
    for name, value in choices.items():
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr, f"a variable that is none: {expr}"
    return expr


@pytest.mark.parametrize("expr", QUERIES)
def check_each_query_of_the_dashboard_has_figures(prometheus, choices, expr):
    until_without_faults(prometheus, filled(expr, choices))


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["record"]) for rule in RECORDS])
def check_each_recording_rule_has_figures(prometheus, rule):
    until_without_faults(prometheus, rule["expr"])
    assert prometheus.ask(rule["record"]), rule["record"]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in ALERTS])
def check_each_alert_looks_at_figures(prometheus, rule):
    until_without_faults(prometheus, rule["expr"])


def until_without_faults(prometheus, expr):
    """A figure may need two scrapes with a change between them; clients go on asking meanwhile."""
    found = []

    def looked():
        found[:] = faults(prometheus, expr)
        return not found

    try:
        until("figures", looked, patience=10)
    except AssertionError:
        pytest.fail("\n".join(found), pytrace=False)


def check_a_name_that_no_gateway_has_is_found(prometheus):
    assert faults(prometheus, "rate(tidegate_request_total[5m]) > 1") == [
        "no series: tidegate_request_total{}",
        "no result: rate(tidegate_request_total{}[5m])",
    ]
    assert faults(prometheus, 'sum(tidegate_requests_total{endpoint="tickr"}) or vector(0)') == [
        'no series: tidegate_requests_total{endpoint="tickr"}'
    ]
    # Labels that do not fit leave nothing, although each side has series.
    assert faults(prometheus, "tidegate_budget_left / tidegate_feed_connected") == [
        "no result: tidegate_budget_left{} / tidegate_feed_connected{}"
    ]


def check_alerts_are_taken_apart_completely():
    expr = '(a > 14.4 * 0.01 and rate(b[5m]) > 1) or absent(up{job="x"}) or c / d < 0.8 * 1024'
    assert parts(expr) == ["a{}", "rate(b{}[5m])", 'up{job="x"}', "c{} / d{}"]
    assert parts("a and on (job) b") == ["a{} and on (job) b{}"]
    assert selectors(expr) == ["a{}", "b{}", 'up{job="x"}', "c{}", "d{}"]


def check_no_rule_fails_with_or_without_feed_and_store(prometheus, gateways):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(RECORDS) + len(ALERTS)
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    scraped = {labels["instance"]: value for labels, value in prometheus.ask("up")}
    assert scraped == {address: 1 for address in gateways}
    without = gateways[1]
    assert prometheus.ask(f'{{__name__=~"tidegate_feed_.+", instance="{without}"}}') == []
    assert len(prometheus.ask(f'tidegate:served_late:ratio_rate5m{{instance="{without}"}}')) == 5


def check_budgets_are_told_for_each_exchange_in_units_of_its_window(prometheus, gateways):
    """Shares of a budget, whatever an exchange counts, and in whatever time."""
    of = f'instance="{gateways[0]}"'
    windows = {labels["exchange"]: value for labels, value in prometheus.ask(f"tidegate_budget_window_seconds{{{of}}}")}
    assert windows == {"bitfinex": 60, "kraken": 5, "coinbase": 1.6, "binance": 60}
    limits = {labels["exchange"]: value for labels, value in prometheus.ask(f'tidegate_budget_limit{{{of}, family=~"public|weight"}}')}
    assert limits == {"kraken": 5, "coinbase": 8, "binance": 3000}
    asked = f"max by (exchange) (tidegate:budget_demand:ratio_rate5m{{{of}}}) > 0"

    def demands():
        found = {labels["exchange"]: value for labels, value in prometheus.ask(asked)}
        return found if set(found) == set(EXCHANGES) else None

    demand = until("each is called", demands)
    # Nobody spends more than there is. Calls a minute would make 5 in 5 s twelve times as much.
    assert all(share <= 1 for share in demand.values()), demand
    # A weight is more than a call.
    calls, units = (
        prometheus.ask(f'sum({name}{{{of}, exchange="binance"}})')[0][1]
        for name in ("tidegate_upstream_calls_total", "tidegate_upstream_units_total")
    )
    assert units >= 2 * calls > 0, (units, calls)


def check_metrics_are_told_in_a_form_that_prometheus_3_takes(gateways):
    """It reads nothing without a type it knows (prometheus.io/docs/prometheus/latest/migration, 2026-11)."""
    answer = requests.get(f"http://{gateways[0]}/metrics", timeout=PATIENCE)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers


def check_the_promise_of_the_ages_is_a_bound_of_the_histogram(prometheus):
    """A bound that the histogram does not have would make a kind vanish from the rule, silently."""
    for record in ("tidegate:served_in_time:total", "tidegate:served:total"):
        kinds = {labels["kind"] for labels, _ in prometheus.ask(record)}
        assert kinds == {"ticker", "orderbook", "ohlcv", "trades", "status"}, record

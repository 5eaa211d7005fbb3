"""Rules and dashboard against a Prometheus that scrapes running gateways."""

import json
import re
import time

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
            match = {"match[]": filled(found[1], out)}
            series = until(f"something to choose from: {variable['definition']}", lambda: prometheus.get("series", **match))
            out[variable["name"]] = "|".join(sorted({labels[found[2]] for labels in series}))
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
    until(f"{rule['record']} is recorded", lambda: prometheus.ask(rule["record"]))


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
        until("figures", looked)
    except AssertionError:
        pytest.fail("\n".join(found), pytrace=False)


def in_the_end(ask, wanted):
    """What is told once it is as wanted: a scrape that comes late leaves a hole, and a record comes after
    what it is made of."""
    deadline = time.monotonic() + PATIENCE
    while (told := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return told


def by(label, samples):
    return {labels[label]: value for labels, value in samples}


def check_a_name_that_no_gateway_has_is_found(prometheus):
    assert faults(prometheus, "rate(tidegate_request_total[5m]) > 1") == [
        "no series: tidegate_request_total{}",
        "no result: rate(tidegate_request_total{}[5m])",
    ]
    assert faults(prometheus, 'sum(tidegate_requests_total{endpoint="tickr"}) or vector(0)') == [
        'no series: tidegate_requests_total{endpoint="tickr"}'
    ]
    # Labels that do not fit leave nothing, although each side has series.
    wanted = ["no result: tidegate_budget_left{} / tidegate_feed_connected{}"]
    assert in_the_end(lambda: faults(prometheus, "tidegate_budget_left / tidegate_feed_connected"), wanted) == wanted


def check_alerts_are_taken_apart_completely():
    expr = '(a > 14.4 * 0.01 and rate(b[5m]) > 1) or absent(up{job="x"}) or c / d < 0.8 * 1024'
    assert parts(expr) == ["a{}", "rate(b{}[5m])", 'up{job="x"}', "c{} / d{}"]
    assert parts("a and on (job) b") == ["a{} and on (job) b{}"]
    assert selectors(expr) == ["a{}", "b{}", 'up{job="x"}', "c{}", "d{}"]


def check_no_rule_fails_with_or_without_feed_and_store(prometheus, gateways):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(RECORDS) + len(ALERTS)
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    wanted = {address: 1 for address in gateways}
    assert in_the_end(lambda: by("instance", prometheus.ask("up")), wanted) == wanted
    without = gateways[1]
    assert prometheus.ask(f'{{__name__=~"tidegate_feed_.+", instance="{without}"}}') == []
    late = f'tidegate:served_late:ratio_rate5m{{instance="{without}"}}'
    assert in_the_end(lambda: len(prometheus.ask(late)), 5) == 5


def check_budgets_are_told_for_each_exchange_in_units_of_its_window(prometheus, gateways):
    """Shares of a budget, whatever an exchange counts, and in whatever time."""
    of = f'instance="{gateways[0]}"'

    def of_each(expr):
        return lambda: by("exchange", prometheus.ask(expr))

    windows = {"bitfinex": 60, "kraken": 5, "coinbase": 1.6, "binance": 60}
    assert in_the_end(of_each(f"tidegate_budget_window_seconds{{{of}}}"), windows) == windows
    limits = {"kraken": 5, "coinbase": 8, "binance": 3000}
    assert in_the_end(of_each(f'tidegate_budget_limit{{{of}, family=~"public|weight"}}'), limits) == limits
    demands = of_each(f"max by (exchange) (tidegate:budget_demand:ratio_rate5m{{{of}}}) > 0")
    demand = until("each is called", lambda: (found := demands()).keys() == set(EXCHANGES) and found)
    # Nobody spends more than there is, but a rate takes what it sees at its edges for a little more.
    # Calls a minute would make 5 in 5 s twelve times as much.
    assert all(share <= 1.1 for share in demand.values()), demand
    # A weight is more than a call.
    calls, units = (
        until(f"{name} is known", lambda: prometheus.ask(f'sum({name}{{{of}, exchange="binance"}})'))[0][1]
        for name in ("tidegate_upstream_calls_total", "tidegate_upstream_units_total")
    )
    assert units >= 2 * calls > 0, (units, calls)


def check_metrics_are_told_in_a_form_that_prometheus_3_takes(gateways):
    """It reads nothing without a type it knows (prometheus.io/docs/prometheus/latest/migration, 2026-11)."""
    answer = requests.get(f"http://{gateways[0]}/metrics", timeout=PATIENCE)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers


def check_the_promise_of_the_ages_is_a_bound_of_the_histogram(prometheus):
    """A bound that the histogram does not have would make a kind vanish from the rule, silently."""
    kinds = {"ticker", "orderbook", "ohlcv", "trades", "status"}
    for record in ("tidegate:served_in_time:total", "tidegate:served:total"):
        assert in_the_end(lambda: set(by("kind", prometheus.ask(record))), kinds) == kinds, record

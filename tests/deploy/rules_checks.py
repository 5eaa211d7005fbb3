"""Rules without a Prometheus: what promtool says, and what belongs to each alert."""

import re

import pytest
import yaml
from conftest import DEPLOY, ROOT, said
from prometheus_checks import ALERTS

TESTS = yaml.safe_load((ROOT / "tests/deploy/alerts.test.yml").read_text())["tests"]
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()
EACH_ALERT = pytest.mark.parametrize("alert", [pytest.param(alert, id=alert["alert"]) for alert in ALERTS])


def check_promtool_takes_the_rules():
    assert said("promtool", "check", "rules", *map(str, (DEPLOY / "prometheus/rules").glob("*.yml"))).count("SUCCESS") == 2


def check_promtool_takes_the_configuration(tmp_path):
    """As it is, but for the place of the key, which has to be there."""
    key = tmp_path / "key"
    key.write_text("secret")
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    assert "/run/secrets/prometheus_key" in text
    (tmp_path / "rules").symlink_to(DEPLOY / "prometheus/rules")
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/prometheus_key", str(key)))
    told = said("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    assert "2 rule files found" in told, told


def check_every_alert_fires_and_clears():
    said("promtool", "test", "rules", str(ROOT / "tests/deploy/alerts.test.yml"))


@EACH_ALERT
def check_an_alert_has_a_test_that_makes_it_fire_and_one_that_makes_it_clear(alert):
    fired = set()
    cleared = set()
    for test in TESTS:
        times = sorted(((minutes(ask["eval_time"]), ask) for ask in test["promql_expr_test"]), key=lambda pair: pair[0])
        names = [name(sample) for _, ask in times for sample in ask["exp_samples"]]
        if alert["alert"] in names:
            fired.add(test["name"])
            if not times[-1][1]["exp_samples"]:
                cleared.add(test["name"])
    assert fired and fired == cleared


@EACH_ALERT
def check_an_alert_says_what_it_is_and_what_to_do(alert):
    assert alert["labels"]["severity"] in {"critical", "warning"}
    told = alert["annotations"]
    assert set(told) == {"summary", "description", "runbook_url"}
    assert told["runbook_url"] == f"deploy/RUNBOOK.md#{alert['alert'].lower()}"
    paragraphs = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)
    [paragraph] = [text for text in paragraphs if text.split("\n", 1)[0] == alert["alert"]]
    for part in ("**Means.** ", "**Look at.** ", "**Do.** "):
        assert part in paragraph, f"{alert['alert']} in RUNBOOK.md lacks {part}"


@EACH_ALERT
def check_an_alert_names_labels_that_it_has(alert):
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
    fired = [sample["labels"] for test in TESTS for ask in test["promql_expr_test"] for sample in ask["exp_samples"]]
    has = [set(re.findall(r"(\w+)=", labels)) for labels in fired if f'alertname="{alert["alert"]}"' in labels]
    assert all(named <= labels for labels in has), f"{named} of {has}"


def check_the_runbook_has_no_alert_that_is_none():
    titles = {line[3:] for line in RUNBOOK.splitlines() if line.startswith("## ")}
    assert titles == {alert["alert"] for alert in ALERTS}


def minutes(text):
    units = {"h": 60, "m": 1}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([hm])", text))


def name(sample):
    return re.search(r'alertname="(\w+)"', sample["labels"])[1]

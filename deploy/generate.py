#!/usr/bin/env python3
"""Writes what is made from something else: the dashboard's JSON, and the rules as Kubernetes wants them.

    deploy/generate.py [--check]

With --check nothing is written; it fails if a file is not what it would be.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "grafana"))
sys.dont_write_bytecode = True

from grid import DATASOURCE, laid_out, variable  # noqa: E402
from rows import I, ROWS  # noqa: E402


def dashboard():
    whole = {
        "uid": "tidegate",
        "title": "Tidegate",
        "description": "What the connections to exchanges are doing, and what clients get of them.",
        "tags": ["tidegate"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "timezone": "utc",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "current": {}},
            variable("instance", "Gateway", "label_values(tidegate_build_info, instance)"),
            variable("exchange", "Exchange", 'label_values(tidegate_budget_limit{instance=~"$instance"}, exchange)'),
        ]},
        "annotations": {"list": [{
            "name": "Starts", "enable": True, "iconColor": "blue", "datasource": DATASOURCE, "titleFormat": "{{instance}} started",
            "expr": f"resets(tidegate_uptime_seconds{{{I}}}[$__rate_interval]) > 0",
        }]},
        "panels": laid_out(ROWS),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def kubernetes_rules():
    lines = [
        "# Made of deploy/prometheus/rules by deploy/generate.py; edit those.",
        "apiVersion: monitoring.coreos.com/v1",
        "kind: PrometheusRule",
        "metadata:",
        "  name: tidegate",
        "  labels:",
        "    app.kubernetes.io/name: tidegate",
        "spec:",
        "  groups:",
    ]
    for source in ("recording", "alerts"):
        text = (HERE / f"prometheus/rules/{source}.yml").read_text()
        lines += ["  " + line if line else "" for line in text.split("\ngroups:\n", 1)[1].splitlines()]
    return "\n".join(lines) + "\n"


def main():
    made = {
        HERE / "grafana/dashboards/tidegate.json": dashboard(),
        HERE / "kubernetes/monitoring/rules.yaml": kubernetes_rules(),
    }
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(HERE.parent)} is not what deploy/generate.py makes: run `make dashboards`", file=sys.stderr)
        sys.exit(bool(stale))
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path])


main()

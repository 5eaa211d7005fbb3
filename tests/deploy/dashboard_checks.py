"""The dashboard's structure: what Grafana would show wrongly without a word."""

import itertools
import json

import pytest
from conftest import DEPLOY, said

DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/tidegate.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def check_what_is_made_is_up_to_date():
    said(str(DEPLOY / "generate.py"), "--check")


@pytest.mark.parametrize("panel", [pytest.param(panel, id=panel["title"]) for panel in PANELS])
def check_a_panel_says_what_it_shows(panel):
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len(panel["description"]) > 4 and panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        # What a choice does not reach would show all gateways beside the one that was chosen.
        assert 'instance=~"$instance"' in target["expr"], target["expr"]
        assert len(panel["targets"]) == 1 or target["legendFormat"] != "__auto", "two series of one name"


def check_ids_and_titles_are_unique():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [(panel["title"], panel["type"]) for panel in PANELS]
    assert len(set(titles)) == len(titles)


def check_no_panel_lies_on_another():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = set(itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])))
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def check_lines_are_filled():
    """A hole at the right of a line is a width that was forgotten."""
    by_line = {}
    for panel in PANELS:
        by_line.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"]["w"])
    assert {y: widths for y, widths in by_line.items() if sum(widths) != 24} == {}

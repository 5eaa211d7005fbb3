"""Panels to the JSON that Grafana reads: places, ids and settings that all panels share.

Written for Grafana 11 and later (schema 39; grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model, 2026-11).
"""

WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Query:
    """An expression and how its series are called."""

    def __init__(self, expr, legend="", *, instant=False, heatmap=False):
        self.expr, self.legend, self.instant, self.heatmap = expr, legend, instant, heatmap

    def json(self, number):
        target = {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "format": "heatmap" if self.heatmap else "time_series",
            "legendFormat": self.legend or "__auto",
            "refId": chr(ord("A") + number),
        }
        return target | ({"instant": True, "range": False} if self.instant else {"range": True})


class Panel:
    """A plot. `steps` are (value, colour) from which on a colour holds, `texts` what values mean."""

    kind = "timeseries"

    def __init__(self, title, unit, description, *queries, width=8, top=None, steps=None, texts=None):
        self.title, self.unit, self.description, self.queries = title, unit, description, queries
        self.width, self.top, self.steps, self.texts = width, top, steps, texts

    def options(self):
        return {
            "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }

    def custom(self):
        lines = {"style": "line"} if self.steps else {"style": "off"}
        return {
            "drawStyle": "line", "fillOpacity": 8, "lineWidth": 1, "showPoints": "never", "spanNulls": False,
            "thresholdsStyle": {"mode": lines["style"]},
        }

    def json(self, number, place):
        colours = [{"color": "green", "value": None}]
        colours += [{"color": colour, "value": value} for value, colour in self.steps or []]
        defaults = {"unit": self.unit, "min": 0, "custom": self.custom(), "thresholds": {"mode": "absolute", "steps": colours}}
        if self.top is not None:
            defaults["max"] = self.top
        if self.texts:
            told = {str(value): {"text": text, "color": colour, "index": i} for i, (value, text, colour) in enumerate(self.texts)}
            defaults["mappings"] = [{"type": "value", "options": told}]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": place,
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": self.options(),
            "targets": [query.json(i) for i, query in enumerate(self.queries)],
        }


class Stack(Panel):
    """Areas on top of each other, for parts of a whole."""

    def custom(self):
        return super().custom() | {"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}}


class Number(Panel):
    """One figure in large."""

    kind = "stat"

    def options(self):
        return {
            "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto", "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }

    def custom(self):
        return {}


class Bars(Number):
    """One bar for each series, as it is now."""

    kind = "bargauge"

    def options(self):
        return {
            "displayMode": "lcd", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }


class States(Number):
    """What state something was in, over time."""

    kind = "state-timeline"

    def options(self):
        return {
            "alignValue": "left", "mergeValues": True, "rowHeight": 0.9, "showValue": "auto",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        }

    def custom(self):
        return {"fillOpacity": 70, "lineWidth": 0}


class Heatmap(Panel):
    """How values are spread, over time."""

    kind = "heatmap"

    def options(self):
        return {
            "calculate": False, "cellGap": 1, "legend": {"show": True}, "tooltip": {"mode": "single", "yHistogram": False},
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": False},
            "filterValues": {"le": 1e-9}, "rowsFrame": {"layout": "auto"}, "yAxis": {"unit": self.unit, "axisPlacement": "left"},
        }

    def custom(self):
        return {"hideFrom": {"legend": False, "tooltip": False, "viz": False}}


class Row:
    """Panels below a heading, all of one height; from left to right, then on the next line."""

    def __init__(self, title, *panels, height=8):
        self.title, self.panels, self.height = title, panels, height


def laid_out(rows):
    """The dashboard's `panels`."""
    out, number, y = [], 0, 0
    for row in rows:
        number += 1
        heading = {
            "id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
        }
        y += 1
        x, inside = 0, []
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y = 0, y + row.height
            number += 1
            inside.append(panel.json(number, {"h": row.height, "w": panel.width, "x": x, "y": y}))
            x += panel.width
        y += row.height
        out += [heading, *inside]
    return out


def variable(name, label, query):
    """A choice of label values, all of them at first."""
    return {
        "name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"}, "refresh": 2, "sort": 1,
        "multi": True, "includeAll": True, "allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]},
    }

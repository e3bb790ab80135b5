"""A run as one HTML file that opens offline: its curves, then and now, samples, settings and history.
plotly.js is inside it.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import plotly

from ..charts.drawing import Chart
from ..charts.live import live_charts
from ..charts.series import metrics_frame
from ..charts.timeline import timeline_entries
from ..formatting import setting, signed
from ..metrics import METRICS
from ..records import EVAL, Sample
from ..store import RunReader
from ..store.catalog import summary

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem;
  color: #1f2328; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; } .quiet { color: #6b7280; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); }
.chart > div { height: 240px; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid #e5e7eb;
  overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.text { white-space: pre-wrap; }
"""
_DRAW = """
const SHOWN = {responsive: true, displaylogo: false};
for (const [place, chart] of CHARTS.entries())
  Plotly.newPlot("chart" + place, chart.data, chart.layout, SHOWN);
"""


def html_report(run: Path, samples: int = 40) -> str:
    """The whole report, of one moment. Every text of the run stands in it escaped: nothing that a model or a
    person wrote is markup.
    """
    with RunReader(run).snapshot() as reader:
        return _report(run, reader, samples)


def _report(run: Path, reader: RunReader, samples: int) -> str:
    info, sums = reader.info(), summary(run, reader)
    told = timeline_entries(reader.events())
    charts = live_charts(metrics_frame(reader.steps()), info.config, history=told)
    boxes = "".join(_box(chart, place) for place, chart in enumerate(charts))
    held_out = reader.steps_with_samples(EVAL)
    pairs = (
        list(zip(reader.samples(held_out[0], EVAL), reader.samples(held_out[-1], EVAL), strict=False))[:10]
        if held_out
        else []
    )
    parent = f", branched from {escape(info.parent)} after step {info.parent_step}" if info.parent else ""
    line = f"{info.id} · {info.preset} · {info.state} · step {sums.steps} of {sums.planned}"
    parts = [
        f"<h1>{escape(info.name)}</h1>",
        f'<p class="quiet">{escape(line)}{parent}</p>',
        f"<p>{escape(info.remark)}</p>" if info.remark else "",
        f"<p>Tags: {escape(', '.join(info.tags))}</p>" if info.tags else "",
        (
            f"<p>Mean score {signed(sums.last_score)} at the last step, {signed(sums.best_score)} at the "
            "best.</p>"
        ),
        f'<h2>Curves</h2><div class="charts">{boxes}</div>',
        "<h2>Then and now</h2>"
        + _table(("opening", "before training", "score", "after", "score"), [_pair(*pair) for pair in pairs]),
        f"<h2>Step {info.last_step}'s continuations</h2>"
        + _table(
            ("query", "response", "score"), [_sample(one) for one in reader.samples(info.last_step)[:samples]]
        ),
        "<h2>History</h2>"
        + _table(("step", "kind", "what"), [(str(max(0, one.step)), one.kind, one.text) for one in told]),
        "<h2>Settings</h2>"
        + _table(("setting", "value"), [(name, setting(value)) for name, value in info.config]),
        '<p class="quiet">'
        + escape(", ".join(f"{name} {version}" for name, version in info.versions.items()))
        + "</p>",
    ]
    script = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    data = json.dumps([chart.spec for chart in charts]).replace("</", "<\\/")
    return (
        '<!doctype html><html lang="en"><head><meta'
        f' charset="utf-8"><title>{escape(info.name)}</title><style>{_STYLE}</style>'
        f"<script>{script}</script></head><body>{''.join(parts)}<script>const CHARTS = "
        f"{data};{_DRAW}</script></body></html>"
    )


def _box(chart: Chart, place: int) -> str:
    about = escape(METRICS[chart.metrics[0]].meaning)
    return (
        f'<div class="chart" title="{about}"><b>{escape(chart.title)}</b><div id="chart{place}"></div></div>'
    )


def _pair(old: Sample, new: Sample) -> tuple[str, ...]:
    return old.query, old.response, signed(old.score), new.response, signed(new.score)


def _sample(sample: Sample) -> tuple[str, ...]:
    return sample.query, sample.response, signed(sample.score)


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of plain texts; columns called score are aligned as numbers."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{"number" if heading == "score" else "text"}">{escape(cell)}</td>'
            for heading, cell in zip(headings, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>" if rows else '<p class="quiet">Nothing yet.</p>'

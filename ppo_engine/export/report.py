"""A run as one HTML file that opens offline: curves, held-out comparisons, samples, settings and history.

The template is `report.html`; plotly.js is embedded. All text of the run is escaped: nothing that a model or
a user wrote is markup.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ..charts.live import live_charts
from ..charts.series import metrics_frame
from ..charts.timeline import timeline_entries
from ..formatting import setting, signed
from ..metrics import METRICS
from ..records import EVAL, Sample
from ..rewards import reward_words
from ..store import RunReader
from ..store.catalog import summary

_MOST_PAIRS = 10


def html_report(run: Path, samples: int = 40) -> str:
    """The whole report, from a single snapshot."""
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page.filters["signed"] = signed
    script = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    with RunReader(run).snapshot() as reader:
        content = _content(run, reader, samples)
    return page.get_template("report.html").render(plotly=Markup(script), metrics=METRICS, **content)


def _content(run: Path, reader: RunReader, samples: int) -> dict[str, Any]:
    info, timeline = reader.info(), timeline_entries(reader.events())
    charts = live_charts(metrics_frame(reader.steps()), info.config, history=timeline)
    return {
        "info": info,
        "sums": summary(run, reader),
        "reward": reward_words(info.config),
        "charts": charts,
        "specs": [chart.spec for chart in charts],
        "pairs": _pairs(reader),
        "samples": [_row(one) for one in reader.samples(info.last_step)[:samples]],
        "timeline": [(max(0, one.step), one.kind, one.text) for one in timeline],
        "settings": [(name, setting(value)) for name, value in info.config],
    }


def _pairs(reader: RunReader) -> list[tuple[str, ...]]:
    """The first held-out openings, continued before training and at the newest evaluation."""
    held_out = reader.steps_with_samples(EVAL)
    if not held_out:
        return []
    first, last = reader.samples(held_out[0], EVAL), reader.samples(held_out[-1], EVAL)
    pairs = list(zip(first, last, strict=False))[:_MOST_PAIRS]
    return [(*_row(old), new.response, signed(new.score)) for old, new in pairs]


def _row(sample: Sample) -> tuple[str, ...]:
    return sample.query, sample.response, signed(sample.score)

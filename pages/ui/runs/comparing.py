"""Two runs or more side by side: curves, settings that differ, continuations of the same openings."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ppo_engine.charts.series import Source, thinning
from ppo_engine.config import FIELDS
from ppo_engine.metrics import METRICS
from ppo_engine.records import EVAL
from ppo_engine.store import RunReader
from ppo_engine.store.catalog import Summary, differences, same_prompts

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8c8c8c")
_METRICS = ("env/reward_mean", "objective/kl", "ppo/policy/clipfrac", "ppo/policy/entropy")


def draw(chosen: list[Summary]) -> None:
    """Overlaid curves, settings that differ, samples of the same openings."""
    st.subheader(f"{len(chosen)} runs compared")
    names = st.multiselect(
        "Metrics",
        list(METRICS),
        default=list(_METRICS),
        key="compared_metrics",
        format_func=lambda name: METRICS[name].title,
    )
    columns = st.columns(2)
    for place, name in enumerate(names):
        with columns[place % 2]:
            st.markdown(f"**{METRICS[name].title}**", help=METRICS[name].tooltip)
            st.plotly_chart(_overlay(chosen, name), key=f"compare-{name}", config={"displaylogo": False})
    st.markdown("**Settings that differ**")
    _settings(chosen)
    st.markdown(
        "**The same held-out openings**",
        help=(
            "Continued by each run's policy at its last evaluation, after the step in the column's name, with"
            " the same random numbers."
        ),
    )
    _samples(chosen)


def _overlay(chosen: list[Summary], metric: str) -> go.Figure:
    figure = go.Figure()
    for place, one in enumerate(chosen):
        steps, values, _ = Source(metric).points(RunReader(one.folder).columns([metric]))
        kept = thinning(values)
        # plotly interprets a few tags in names: a run's name must not contain any.
        name = one.name.replace("<", "‹").replace(">", "›")
        line = {"color": _COLOURS[place % len(_COLOURS)], "width": 2}
        figure.add_scatter(
            x=steps[kept], y=values[kept], name=name, mode="lines", line=line, hovertemplate="%{y:.3~g}"
        )
    figure.update_layout(
        height=260,
        margin={"l": 40, "r": 10, "t": 10, "b": 30},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis_title="step",
    )
    return figure


def _settings(chosen: list[Summary]) -> None:
    found = differences([one.folder for one in chosen])
    if not found:
        st.caption("None: the runs have the same settings, seed included.")
        return
    rows = [
        {"setting": FIELDS[name].label, **{f"run {place}": value for place, value in enumerate(values)}}
        for name, values in found.items()
    ]
    # Names are labels only: two runs may have the same name, or a column's.
    titles = {f"run {place}": one.name for place, one in enumerate(chosen)}
    st.dataframe(rows, hide_index=True, column_config=titles)


def _samples(chosen: list[Summary]) -> None:
    table: pd.DataFrame = same_prompts([one.folder for one in chosen])
    if table.empty:
        st.caption("None yet: these runs have no evaluation on the same openings.")
        return
    titles = {
        f"response {place}": f"{one.name}, step {RunReader(one.folder).steps_with_samples(EVAL)[-1]}"
        for place, one in enumerate(chosen)
    }
    titles |= {f"score {place}": f"{one.name}: score" for place, one in enumerate(chosen)}
    st.dataframe(table, hide_index=True, height=420, column_config=titles)

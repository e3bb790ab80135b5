"""The journal in words, and its markers on the charts."""

from __future__ import annotations

from typing import Any

from ppo_engine.charts.live import live_charts
from ppo_engine.charts.series import metrics_frame
from ppo_engine.charts.timeline import markers, timeline_entries
from ppo_engine.store import Event


def event(number: int, step: int, kind: str, **payload: Any) -> Event:
    return Event(number, "2026-01-01T00:00:00+00:00", step, kind, payload)


JOURNAL = [
    event(1, -1, "state", state="running"),
    event(2, 3, "edit", changes={"lam": [0.95, 0.5], "adap_kl_ctrl": [True, False]}),
    event(3, 3, "state", state="paused"),
    event(4, 3, "checkpoint", bytes=12_340_000),
    event(5, 3, "state", state="running"),
    event(6, 5, "note", text="<b>look</b>"),
    event(7, 10, "checkpoint", bytes=2_000_000_000),
]


def test_each_event_is_told_in_words() -> None:
    told = timeline_entries(JOURNAL)
    assert [one.word for one in told] == ["", "edit", "pause", "", "resume", "note", ""]
    assert told[1].text == "Lambda (λ): 0.95 → 0.5, Adaptive KL coefficient: on → off"
    assert told[3].text == "Checkpoint kept, 12.3 MB." and told[6].text == "Checkpoint kept, 2.00 GB."
    assert told[0].text == "Training began."


def test_an_edit_knows_the_edit_that_takes_it_back() -> None:
    told = timeline_entries(JOURNAL)
    assert told[1].undo == {"lam": 0.95, "adap_kl_ctrl": True}
    assert [one.undo for one in told if one.kind != "edit"] == [None] * 6


def test_what_happened_at_one_step_shares_one_marker() -> None:
    shapes, notes = markers(timeline_entries(JOURNAL), "grey")
    assert [shape["path"] for shape in shapes] == [
        "M3,0L3,1 M5,0L5,1",
        "M10,0L10,0.04",
    ], "a checkpoint alone is a tick"
    assert [(note["x"], note["text"]) for note in notes] == [(3, "edit, pause, resume"), (5, "note")]
    assert notes[1]["hovertext"] == "&lt;b&gt;look&lt;/b&gt;"


def test_a_long_journal_costs_two_shapes_and_a_few_words() -> None:
    long = [event(step, step, "note", text="x") for step in range(200)]
    shapes, notes = markers(timeline_entries([*long, event(201, 300, "checkpoint", bytes=1)]), "grey")
    assert [shape["path"].count("M") for shape in shapes] == [200, 1]
    assert [note["x"] for note in notes] == list(range(170, 200))


def test_every_chart_carries_the_markers() -> None:
    charts = live_charts(metrics_frame([]), history=timeline_entries(JOURNAL))
    assert all(
        [note["text"] for note in chart.spec["layout"]["annotations"]] == ["edit, pause, resume", "note"]
        for chart in charts
    )
    for chart in charts:
        assert chart.figure

"""The report: one file, offline, in which nothing that anyone wrote is markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ppo_engine import Config, RunReader, session
from ppo_engine.export.report import html_report
from ppo_engine.store import add_note, describe

HOSTILE = "<script>alert(1)</script> $x$ **b** :red[c]"


def test_the_report_is_one_file_in_which_no_text_is_markup(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    folder, owner = session.create(tiny(steps=2), "tiny-reviews", tmp_path)
    owner.run()
    describe(folder, name=HOSTILE, tags=[HOSTILE[:40]], remark=HOSTILE)
    add_note(folder, 1, HOSTILE)
    report = html_report(folder)
    own = report[report.rindex("</script></head>") :]
    assert "<script>alert" not in own and "&lt;script&gt;alert(1)&lt;/script&gt;" in own
    assert not re.search(
        r"""(src|href)\s*=\s*["']?(https?:)?//""", report[: report.index("<script>")] + own
    ), "it opens offline"
    assert RunReader(folder).samples(2)[0].query in own or "&" in RunReader(folder).samples(2)[0].query
    assert "Plotly.newPlot" in own


def test_a_run_without_a_step_has_a_report(tiny: Callable[..., Config], tmp_path: Path) -> None:
    """And a reward speaks of itself: no classifier where there is none."""
    folder, owner = session.create(tiny(reward="contains:the"), "tiny-reviews", tmp_path)
    owner.store.close()
    report = html_report(folder)
    own = report[report.rindex("</script></head>") :]
    assert "No data yet." in own
    assert "contains the word “the”" in own and "The classifier" not in own


def test_a_script_end_in_a_chart_ends_no_script(tiny: Callable[..., Config], tmp_path: Path) -> None:
    folder, owner = session.create(tiny(steps=1), "tiny-reviews", tmp_path)
    owner.run()
    add_note(folder, 1, "</script><b>bold</b>")
    report = html_report(folder)
    own = report[report.rindex("</script></head>") + len("</script>") :]
    assert own.count("</script>") == 1 and "<b>bold</b>" not in own

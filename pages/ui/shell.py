"""The frame around every page: navigation, sidebar, a warning on its run. `app.py` serves this script."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402

from pages.ui import messages, run_view  # noqa: E402
from pages.ui.assets import STATIC  # noqa: E402
from pages.ui.sidebar import branching, controls, settings  # noqa: E402
from ppo_engine import session  # noqa: E402

st.set_page_config(
    page_title="ppo-live", page_icon=str(STATIC / "icon.svg"), layout="wide", initial_sidebar_state=340
)
page = st.navigation(
    [
        st.Page("../live.py", title="Live", icon=":material/monitoring:", default=True),
        st.Page("../tokens.py", title="Tokens", icon=":material/biotech:"),
        st.Page("../update.py", title="Update", icon=":material/school:"),
        st.Page("../what_if.py", title="What-if", icon=":material/tune:"),
        st.Page("../playground.py", title="Playground", icon=":material/edit_note:"),
        st.Page("../runs.py", title="Runs", icon=":material/science:"),
        st.Page("../metrics.py", title="Metrics", icon=":material/menu_book:"),
    ]
)
run_view.keep_run(page.url_path)
run_view.stamp_now()
with st.sidebar:
    messages.surviving(controls.buttons)()
    below = st.container()
# always there, so that the page below keeps its place among Streamlit's elements
with st.container(key="trouble"):
    if said := run_view.run_trouble():
        st.warning(messages.inert(said))
page.run()
with below:  # after the page, which a person waits for: the browser takes long to draw so many fields
    corrected = settings.correct()
    messages.surviving(branching.branch_button)()
    messages.surviving(settings.settings)(corrected)
session.warm_up()  # once the first page is drawn

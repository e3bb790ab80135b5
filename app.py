"""The dashboard's server: `streamlit run app.py`. It serves the pages and what runs recorded, and when it
ends, ends the run.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from pages.data import routes as data
from pages.data.stream import ended_by_signals
from pages.ui.assets import ROUTES
from pages.ui.origin import OwnPagesOnly
from pages.ui.preload import Preloaded
from ppo_engine import session


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """While it serves, runs are watched; at the end, the run stops at its next step boundary."""
    data.WATCHER.start()
    with ended_by_signals(data.STREAMS):
        yield
    data.WATCHER.stop()
    session.shutdown()


app = st.App(
    "pages/ui/shell.py",
    lifespan=lifespan,
    routes=[*data.ROUTES, *ROUTES],
    middleware=[Middleware(OwnPagesOnly), Middleware(Preloaded)],
)

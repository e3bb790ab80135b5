"""The dashboard's server: `streamlit run app.py`. It serves the pages and, when it ends, ends the run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from pages.ui.assets import ROUTES
from pages.ui.origin import OwnPagesOnly
from pages.ui.press_filter import PressesOnce
from ppo_engine import session


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Nothing to begin; at the end, the run stops at its next step boundary and its thread is joined."""
    yield
    session.shutdown()


app = st.App(
    "pages/ui/shell.py",
    lifespan=lifespan,
    routes=ROUTES,
    middleware=[Middleware(OwnPagesOnly), Middleware(PressesOnce)],
)

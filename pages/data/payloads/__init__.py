"""The types of what Python sends to the browser, one module per page.

static/lib/payloads.d.ts is generated from them: `python -m tests.static.payload_types`.
"""

from .common import TopPayload
from .live import LivePayload
from .playground import PlaygroundPayload
from .tokens import TokensPayload
from .update import UpdatePayload
from .whatif import WhatIfPayload

Payload = TopPayload | LivePayload | PlaygroundPayload | TokensPayload | UpdatePayload | WhatIfPayload

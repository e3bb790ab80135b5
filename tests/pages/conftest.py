"""What the pages' tests share."""

import ppo_engine.journal  # noqa: F401  before the warm-up of the first page would import it in a thread beside the tests

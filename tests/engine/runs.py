"""A run on a thread of its own that a test can hold at a step, and ask things of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from ppo_engine import Config, RunReader, StepRecord, Trainer, session

PATIENCE_S = 60.0


def trained(config: Config, steps: int = 2) -> Trainer:
    """A trainer that has taken some steps."""
    trainer = Trainer(config)
    for record in trainer:
        if record.step == steps:
            return trainer
    raise AssertionError("too few steps")


class Run:
    """A run on its own thread, with an event at every record."""

    def __init__(self, make: Callable[[session.OnRecord], tuple[Path, session.RunOwner]]) -> None:
        self.seen: list[int] = []
        self.held_at: int | None = None
        self._arrived = threading.Condition()
        self._let_go = threading.Event()
        self.folder, self.owner = make(self._on_record)
        self.reader = RunReader(self.folder)
        self.thread = threading.Thread(target=self.owner.run, daemon=True)

    def _on_record(self, record: StepRecord) -> None:
        with self._arrived:
            self.seen.append(record.step)
            self._arrived.notify_all()
        if record.step == self.held_at:
            assert self._let_go.wait(PATIENCE_S)

    def hold_at(self, step: int) -> None:
        """Keeps the trainer's thread at that step's boundary, so that a command meets a known step."""
        self.held_at = step
        self.thread.start()
        self.wait_for(step)

    def let_go(self) -> None:
        self._let_go.set()

    def tell(self, kind: str, **payload: object) -> int:
        number = session.command(self.folder, kind, **payload)
        self.owner.wake()
        return number

    def wait_for(self, step: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: step in self.seen, PATIENCE_S), (
                f"step {step} never came; saw {self.seen}"
            )

    def wait_for_answer(self, command: int) -> tuple[str, str]:
        give_up = time.monotonic() + PATIENCE_S
        while (answer := self.reader.command(command))[0] == "queued":
            assert time.monotonic() < give_up, "the command was never answered"
            time.sleep(0.005)
        return answer

    def states(self) -> list[str]:
        """The states that the journal has, in order."""
        return [event.payload["state"] for event in self.reader.events() if event.kind == "state"]

    def join(self) -> str:
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return self.reader.info().state

    def wait_for_state(self, wanted: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while (state := self.reader.info().state) != wanted:
            assert time.monotonic() < give_up, f"never {wanted}, still {state}"
            time.sleep(0.005)

    def end(self) -> None:
        """Whatever it is doing."""
        self.let_go()
        self.owner.quit(0)
        if self.thread.ident:
            self.thread.join(PATIENCE_S)

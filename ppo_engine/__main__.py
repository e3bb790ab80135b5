"""The command line: `train` a run into the store, `export` what it left there. Exit codes: 0 done, 2 bad input, 1 failure."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from .config import PRESETS, Config
from .errors import ConfigError, DeviceError, PPOEngineError, SourceError
from .export import FORMATS, WHAT, export
from .records import StepRecord
from .session import RunOwner, create
from .store import DATABASE, RunReader

DONE, FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ConfigError, SourceError, DeviceError) as error:
        print(f"ppo_engine: {error}", file=sys.stderr)
        return BAD_INPUT
    except PPOEngineError as error:
        print(f"ppo_engine: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ppo_engine", description="PPO fine-tuning of a small language model, token by token.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a run; its folder is the last line of the output")
    train.add_argument("--preset", default="tiny-reviews", help=f"starting point: {', '.join(PRESETS)} (default: %(default)s)")
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes", help="change a hyperparameter; may be repeated"
    )
    train.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder for runs (default: %(default)s)")
    train.set_defaults(run=_train)

    leave = commands.add_parser("export", help="write a run's data to a file")
    leave.add_argument("run_folder", type=Path, metavar="RUN", help="a run's folder")
    leave.add_argument("--what", choices=WHAT, default="metrics")
    leave.add_argument("--format", choices=FORMATS, default="csv")
    leave.add_argument("-o", "--output", default="-", metavar="FILE", help="the file to write; - prints (default)")
    leave.set_defaults(run=_export)
    return parser


def _export(options: argparse.Namespace) -> int:
    if not (options.run_folder / DATABASE).is_file():
        raise ConfigError([f"RUN = {options.run_folder}: there is no run here; give a run's folder, as `train` prints it"])
    export(options.run_folder, options.what, options.format, options.output)
    return DONE


def _train(options: argparse.Namespace) -> int:
    config = Config.from_strings(options.preset, _assignments(options.changes))
    with _Progress(config.steps) as progress:
        folder, owner = create(config, options.preset, options.runs, progress.show)
        signal.signal(signal.SIGINT, lambda *_: owner.quit())
        signal.signal(signal.SIGTERM, lambda *_: owner.quit())
        owner.run()
    return _verdict(folder, owner)


def _verdict(folder: Path, owner: RunOwner) -> int:
    """Says how the run ended; the folder goes to standard output whatever happened, since its data stay."""
    info = RunReader(folder).info()
    if owner.state == "failed":
        print(f"ppo_engine: {info.error or 'the run failed and its folder cannot be written'}", file=sys.stderr)
    if owner.state == "stopped":
        print(f"ppo_engine: stopped after step {info.last_step}", file=sys.stderr)
    print(folder)
    if owner.failure and issubclass(owner.failure, ConfigError | SourceError | DeviceError):
        return BAD_INPUT
    return DONE if owner.state == "finished" else FAILED


def _assignments(changes: list[str]) -> dict[str, str]:
    pairs = [change.partition("=") for change in changes]
    if broken := [f"--set {name}: must be NAME=VALUE" for name, equals, _ in pairs if not equals]:
        raise ConfigError(broken)
    return {name.strip(): value.strip() for name, _, value in pairs}


class _Progress:
    """The progress bar on standard error: steps, time left, score and KL."""

    def __init__(self, steps: int) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(total=steps, unit="step", dynamic_ncols=True, desc="loading")

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.close()

    def show(self, record: StepRecord) -> None:
        """Moves the bar to the record's step."""
        metrics = record.metrics
        self._bar.set_description("training", refresh=False)
        shown = {"score": metrics.get("env/reward_mean", metrics.get("eval/reward_mean")), "KL": metrics.get("objective/kl")}
        self._bar.set_postfix({name: f"{value:.2f}" for name, value in shown.items() if value is not None}, refresh=False)
        self._bar.update(record.step - self._bar.n)
        self._bar.refresh()


if __name__ == "__main__":
    sys.exit(main())

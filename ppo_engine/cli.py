"""The command line: `train` a run, `resume`, `branch` or `replay` it, `export` its data.

Exit codes: 0 done, 2 bad input, 1 failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import console
from .charts.timeline import timeline_entries
from .config import PRESETS, Config
from .errors import ConfigError, DeviceError, PPOEngineError, SourceError
from .export.report import html_report
from .export.tables import FORMATS, WHAT, export, write_text
from .formatting import data_size
from .records import StepRecord
from .session import OnRecord, RunOwner, branched_config, create, fork, reopen
from .store import DATABASE, RunReader
from .store.checkpoint_files import list_checkpoints

DONE, FAILED, BAD_INPUT = 0, 1, 2


def run(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        return DONE  # whoever read the output has had enough
    except (ConfigError, SourceError, DeviceError) as error:
        print(f"ppo_engine: {error}", file=sys.stderr)
        return BAD_INPUT
    except PPOEngineError as error:
        print(f"ppo_engine: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ppo_engine", description="PPO fine-tuning of a small language model, token by token."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a new run; prints its folder as the last line")
    train.add_argument(
        "--preset",
        default="tiny-reviews",
        help=f"starting point: {', '.join(PRESETS)} (default: %(default)s)",
    )
    _setting(train)
    train.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder for runs (default: %(default)s)",
    )
    train.set_defaults(run=_train)

    again = commands.add_parser("resume", help="resume a run that stopped, failed or was interrupted")
    again.add_argument("run_folder", type=Path, metavar="RUN", help="the run's folder")
    _accepting(again)
    again.set_defaults(run=_resume)

    fork = commands.add_parser(
        "branch", help="start a new run from another run's checkpoint, with changed settings"
    )
    fork.add_argument("run_folder", type=Path, metavar="RUN", help="the parent run's folder")
    fork.add_argument("--step", type=int, help="the checkpoint's step (default: the newest)")
    _setting(fork)
    fork.add_argument("--runs", type=Path, metavar="DIR", help="folder for runs (default: the parent's)")
    _accepting(fork)
    fork.set_defaults(run=_branch)

    repeat = commands.add_parser(
        "replay", help="recompute a run and compare it: prints identical or the first difference"
    )
    repeat.add_argument("run_folder", type=Path, metavar="RUN", help="the run's folder")
    _accepting(repeat)
    repeat.set_defaults(run=_replay)

    worker = commands.add_parser(
        "work", help="serve the dashboard's requests on an ended run's models (started by the dashboard)"
    )
    worker.add_argument("run_folder", type=Path, metavar="RUN", help="the run's folder")
    worker.set_defaults(run=_work_on_jobs)

    leave = commands.add_parser("export", help="export a run's data or policy to a file or folder")
    leave.add_argument("run_folder", type=Path, metavar="RUN", help="a run's folder")
    leave.add_argument(
        "--what",
        choices=(*WHAT, "policy", "report"),
        default="metrics",
        help="data to export; policy: a from_pretrained folder; report: an HTML file (default: %(default)s)",
    )
    leave.add_argument("--format", choices=FORMATS, default="csv", help="table format (default: %(default)s)")
    leave.add_argument(
        "--step", type=int, help="with --what policy: the checkpoint's step (default: the newest)"
    )
    leave.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="FILE",
        help="output file or folder; - for standard output (default: -)",
    )
    leave.set_defaults(run=_export)
    return parser


def _setting(command: argparse.ArgumentParser) -> None:
    about = "override a setting; repeatable"
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes", help=about
    )


def _accepting(command: argparse.ArgumentParser) -> None:
    about = "continue although models or data changed since the run began; recorded in its journal"
    command.add_argument("--accept-changed", action="store_true", help=about)


def _export(options: argparse.Namespace) -> int:
    run, output = _existing(options.run_folder), options.output
    if options.what == "policy":
        from .export.policy import export_policy

        if output == "-":
            raise ConfigError(["output = -: a policy is exported to a folder; name it with -o"])
        print(export_policy(run, Path(output), options.step))
    elif options.what == "report":
        write_text(html_report(run), output)
    else:
        export(run, options.what, options.format, output)
    if options.what != "policy" and output != "-":
        print(f"{output}: {data_size(Path(output).stat().st_size)}", file=sys.stderr)
    return DONE


def _existing(folder: Path) -> Path:
    if not (folder / DATABASE).is_file():
        raise ConfigError([f"RUN = {folder}: not a run folder; give the path that `train` printed"])
    return folder


def _train(options: argparse.Namespace) -> int:
    config = Config.from_strings(options.preset, _assignments(options.changes))
    return _work(
        lambda show: create(config, options.preset, options.runs, show, attended=False), config.steps
    )


def _resume(options: argparse.Namespace) -> int:
    folder, accept = _existing(options.run_folder), bool(options.accept_changed)
    steps = RunReader(folder).info().config.steps
    return _work(lambda show: reopen(folder, show, attended=False, accept_changed=accept), steps)


def _branch(options: argparse.Namespace) -> int:
    parent, step = _existing(options.run_folder), options.step
    if step is None:
        step = max((one.step for one in list_checkpoints(parent)), default=-1)
    changes = _assignments(options.changes)
    steps = branched_config(parent, step, changes).steps
    runs, accept = options.runs or parent.parent, options.accept_changed
    return _work(
        lambda show: fork(parent, step, changes, runs, show, attended=False, accept_changed=accept), steps
    )


def _work(begin: Callable[[OnRecord], tuple[Path, RunOwner]], steps: int) -> int:
    """Trains a run to its end in this process, with a progress bar."""
    with _Progress(steps) as progress, console.holding() as hand_over:
        folder, owner = begin(progress.show)
        hand_over(owner.quit)
        known = len(RunReader(folder).events())
        owner.run()
    return _verdict(folder, owner, known)


def _replay(options: argparse.Namespace) -> int:
    from .session.replay import replay

    folder = _existing(options.run_folder)
    with _Progress(RunReader(folder).info().last_step) as progress:
        difference = replay(folder, progress.show, options.accept_changed, progress.say)
    print(f"first difference at {difference}" if difference else "identical")
    return FAILED if difference else DONE


def _work_on_jobs(options: argparse.Namespace) -> int:
    from .session.jobs.work import work

    work(_existing(options.run_folder))
    return DONE


def _verdict(folder: Path, owner: RunOwner, known: int) -> int:
    """Reports how the run ended, and its remarks; always prints the folder to standard output."""
    info = RunReader(folder).info()
    for one in timeline_entries(RunReader(folder).events())[known:]:
        if one.kind in ("remark", "accepted", "difference"):
            where = f"recomputed step {one.step} differs: " if one.kind == "difference" else ""
            print(f"ppo_engine: {where}{one.text}", file=sys.stderr)
    if owner.state == "failed":
        print(
            f"ppo_engine: {info.error or 'the run failed, and its folder is not writable'}", file=sys.stderr
        )
    if owner.state == "stopped":
        when = f"after step {info.last_step}" if info.last_step >= 0 else "before the first step"
        print(f"ppo_engine: stopped {when}", file=sys.stderr)
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
    """The progress bar on standard error: steps, remaining time, score and KL."""

    def __init__(self, steps: int) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(total=steps, unit="step", dynamic_ncols=True, desc="loading")

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.close()

    def say(self, words: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(f"ppo_engine: {words}", file=sys.stderr)

    def show(self, record: StepRecord) -> None:
        """Moves the bar to the record's step."""
        metrics = record.metrics
        self._bar.set_description("training", refresh=False)
        shown = {
            "score": metrics.get("env/reward_mean", metrics.get("eval/reward_mean")),
            "KL": metrics.get("objective/kl"),
        }
        self._bar.set_postfix(
            {name: f"{value:.2f}" for name, value in shown.items() if value is not None}, refresh=False
        )
        self._bar.update(record.step - self._bar.n)
        self._bar.refresh()

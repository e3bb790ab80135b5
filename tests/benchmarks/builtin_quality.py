"""Does PPO on tiny-reviews reach +2, quickly and without collapse, for every seed? Prints Markdown.

    python -m tests.benchmarks.builtin_quality --seeds 10

Seconds count from the first step on; loading is apart. The texts are 256 continuations of held-out openings.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

from ppo_engine.builtin import read_manifest
from ppo_engine.config import Config
from ppo_engine.training.trainer import Trainer
from ppo_engine.world.figures import text_quality

GOAL = 2.0  # mean score on held-out openings
SAMPLES = 256
SAMPLING_SEED = 20_000


@dataclass(frozen=True)
class Outcome:
    """What one run came to."""

    seed: int
    loading_seconds: float
    reached_step: int | None
    reached_seconds: float | None
    mean: float
    standard_error: float
    last_kl: float
    highest_kl: float
    kl_coef: tuple[float, float, float]  # lowest, highest, last
    quality: dict[str, float | str]

    @property
    def holds(self) -> bool:
        """Whether the run meets every demand."""
        quick = (
            self.reached_step is not None and self.reached_step <= 40 and (self.reached_seconds or 0) <= 60
        )
        sound = float(self.quality["grammatical"]) >= 0.85 and float(self.quality["distinct"]) >= 0.8
        return quick and sound and float(self.quality["top_trigram_share"]) <= 0.25 and self.gentle

    @property
    def gentle(self) -> bool:
        """Whether the policy stayed near the reference."""
        return self.last_kl <= 10 and self.highest_kl <= 20

    def row(self) -> list[str]:
        """The cells of a table's row."""
        quality = self.quality
        return [
            str(self.seed),
            "never" if self.reached_step is None else f"{self.reached_step} ({self.reached_seconds:.0f} s)",
            f"{self.mean:+.2f} ± {self.standard_error:.2f}",
            f"{self.last_kl:.1f}",
            f"{self.highest_kl:.1f}",
            "{:.2f} to {:.2f}, {:.2f}".format(*self.kl_coef),
            f"{quality['grammatical']:.0%}",
            f"{quality['distinct']:.0%}",
            f"{quality['top_trigram']} {quality['top_trigram_share']:.0%}",
            "yes" if self.holds else "NO",
        ]


HEADINGS = (
    "seed",
    "+2 at step",
    "held-out score",
    "KL, last 5",
    "highest KL",
    "KL coefficient",
    "grammatical",
    "distinct",
    "top trigram",
    "holds",
)


def run_once(config: Config, report: Callable[[str], None] = lambda line: None) -> Outcome:
    """Train to the end and look at what the policy writes."""
    trainer, began = Trainer(config), time.perf_counter()
    trainer.load()
    loaded = time.perf_counter()
    reached: tuple[int, float] | None = None
    history: list[dict[str, float]] = []
    for record in trainer:
        history.append(record.metrics)
        mean = record.metrics.get("eval/reward_mean")
        if mean is not None and mean >= GOAL and reached is None:
            reached = (record.step, time.perf_counter() - loaded)
    texts, _ = trainer.continue_held_out(SAMPLES, seed=SAMPLING_SEED)
    kls = [one["objective/kl"] for one in history[1:]]
    coefs = [one["objective/kl_coef"] for one in history[1:]]
    outcome = Outcome(
        seed=config.seed,
        loading_seconds=loaded - began,
        reached_step=reached[0] if reached else None,
        reached_seconds=reached[1] if reached else None,
        mean=history[-1]["eval/reward_mean"],
        standard_error=history[-1]["eval/reward_se"],
        last_kl=sum(kls[-5:]) / len(kls[-5:]),
        highest_kl=max(kls),
        kl_coef=(min(coefs), max(coefs), coefs[-1]),
        quality=text_quality([(text.query, text.response) for text in texts]),
    )
    report(table_row(outcome.row()))
    return outcome


def table_row(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.builtin_quality", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="run seeds 0, 1, ... of this many")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="change the preset's settings"
    )
    options = parser.parse_args()
    changes = dict(one.split("=", 1) for one in options.set)
    print(table_row(list(HEADINGS)))
    print(table_row(["---"] * len(HEADINGS)), flush=True)
    for seed in range(options.seeds):
        run_once(Config.preset("tiny-reviews", seed=seed, **changes), lambda line: print(line, flush=True))
    print("\nThe build:\n")
    print(table_row(["figure", "value"]))
    print(table_row(["---", "---"]))
    for name, value in read_manifest()["figures"].items():
        print(table_row([name, f"{value:.3f}" if isinstance(value, float) else str(value)]))


if __name__ == "__main__":
    main()

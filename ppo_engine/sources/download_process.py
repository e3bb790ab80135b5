"""Downloads the files of a model or data set from the Hugging Face Hub, in a separate process that can be
killed at any time.

    python -P download_process.py models|datasets NAME LIMIT_BYTES PATIENCE_S

Prints a JSON object per line: {"stage": words} for progress, and finally {"path": folder} or {"error":
cause}. Imports nothing of this project, so that it starts quickly.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

MOST_FILES = 10_000
DATA_SUFFIXES = (".parquet", ".arrow", ".csv", ".tsv", ".jsonl", ".json", ".txt")
"""Kinds of data files, in order of preference."""
NOT_DATA = {
    "config.json",
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "package.json",
}
_SAID_EVERY_S = 0.3
_MODEL_FILES = ["*.json", "*.txt", "*.model", "*.jinja"]


class RefusedError(Exception):
    """Why the download is refused, in words."""


def main(kind: str, name: str, limit: int, patience_s: float) -> None:
    """Downloads the required files of a repository, or finds them in the cache if the Hub is unreachable."""
    from huggingface_hub import constants, errors

    try:
        if constants.HF_HUB_OFFLINE or not answers(constants.ENDPOINT, patience_s):
            say(path=_cached(kind, name))
        else:
            say(path=_download(kind, name, limit))
    except RefusedError as error:
        say(error=str(error))
    except errors.GatedRepoError:
        say(error="its terms must be accepted first, on its Hub page; then log in with `hf auth login`")
    except errors.RepositoryNotFoundError:
        say(error="no such public repository; check the spelling, or log in with `hf auth login`")
    except errors.IncompleteSnapshotError:
        say(error="the Hub is unreachable, and the earlier download is incomplete; check the network")
    except errors.LocalEntryNotFoundError:
        say(error="the Hub is unreachable (no network, or HF_HUB_OFFLINE), and there is no earlier download")
    except Exception as error:  # the client has many kinds of its own, and its HTTP library more
        words = str(error).strip().splitlines() or [""]
        say(error=f"{type(error).__name__}: {words[0][:300]}")


def say(**what: Any) -> None:
    """Prints a line for the parent process."""
    print(json.dumps(what), flush=True)


def answers(endpoint: str, patience_s: float) -> bool:
    """Whether the Hub is reachable: its client would retry for a minute first."""
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=patience_s)
    except Exception:  # each version of the client has another HTTP library, with errors of its own
        return False
    return True


def _download(kind: str, name: str, limit: int) -> str:
    from huggingface_hub import HfApi, snapshot_download

    say(stage=f"contacting the Hub for {name}")
    api, repo_type = HfApi(), kind[:-1]
    commit = api.repo_info(name, repo_type=repo_type).sha
    listed = list(
        islice(api.list_repo_tree(name, recursive=True, revision=commit, repo_type=repo_type), MOST_FILES + 1)
    )
    if len(listed) > MOST_FILES:
        raise RefusedError(
            f"it has more than {MOST_FILES:,} files, too many for a model or a review data set"
        )
    sizes = {file.path: file.size for file in listed if hasattr(file, "size")}
    if kind == "models":
        _refuse_adapter(name, sizes)
    if "README.md" in sizes and kind == "datasets":
        snapshot_download(name, repo_type=repo_type, allow_patterns=["README.md"], tqdm_class=_telling())
    if kind == "models":
        wanted = _of_model(any(path.endswith(".safetensors") for path in sizes if "/" not in path))
    else:
        wanted = _of_data(name, _has_tables(sizes))
    total = sum(size for path, size in sizes.items() if _matches(path, **wanted))
    if total > limit:
        raise RefusedError(
            f"it is {total / 1e6:,.0f} MB, above size_limit_mb = {limit / 1e6:,.0f}; raise the limit or "
            "choose a smaller one"
        )
    return str(snapshot_download(name, repo_type=repo_type, tqdm_class=_telling(name, total), **wanted))


def _cached(kind: str, name: str) -> str:
    """The folder of an earlier download, if complete."""
    from huggingface_hub import errors, snapshot_download

    def find(wanted: dict[str, Any]) -> str:
        return str(snapshot_download(name, repo_type=kind[:-1], local_files_only=True, **wanted))

    if kind == "datasets":
        folder = find(_of_data(name, True))
        tables = _has_tables(str(path) for path in Path(folder).rglob("*"))
        return folder if tables or _configured(name) else find(_of_data(name, False))
    try:
        folder = find(_of_model(True))
        if any(Path(folder).glob("*.safetensors")):
            return folder
    except errors.IncompleteSnapshotError:
        if not list(Path(_snapshots(name)).glob("*/*.bin")):
            raise
    return find(_of_model(False))


def _snapshots(name: str) -> str:
    from huggingface_hub import constants

    return str(Path(constants.HF_HUB_CACHE) / ("models--" + name.replace("/", "--")) / "snapshots")


def _of_model(safetensors: bool) -> dict[str, Any]:
    """Patterns of the required files of a model, with its weights in one format."""
    weights = "*.safetensors" if safetensors else "*.bin"
    return {"allow_patterns": [*_MODEL_FILES, weights], "ignore_patterns": ["*/*"]}


def _of_data(name: str, tables: bool) -> dict[str, Any]:
    """Patterns of the required files of a data set: its default configuration's, else tables, else texts."""
    wanted = _configured(name) or _patterns(DATA_SUFFIXES[:-1] if tables else DATA_SUFFIXES[-1:])
    ignored = [start + one for one in NOT_DATA for start in ("", "*/")]
    return {"allow_patterns": ["README.md", *wanted], "ignore_patterns": ignored}


def _has_tables(paths: Iterable[str]) -> bool:
    return any(
        _matches(path, _patterns(DATA_SUFFIXES[:-1])) and Path(path).name not in NOT_DATA for path in paths
    )


def _patterns(suffixes: Sequence[str]) -> list[str]:
    return [f"*{suffix}{end}" for suffix in suffixes for end in ("", ".gz")]


def _configured(name: str) -> list[str]:
    """Patterns of the data files listed in a data set's card; empty if it lists none."""
    from huggingface_hub import errors, snapshot_download

    try:
        folder = snapshot_download(
            name, repo_type="dataset", allow_patterns=["README.md"], local_files_only=True
        )
    except errors.LocalEntryNotFoundError:
        return []
    patterns = card_patterns(Path(folder) / "README.md")
    return [pattern for split in ("train", "test") for pattern in patterns.get(split, [])]


def card_patterns(card: Path) -> dict[str, list[str]]:
    """Split to file patterns, of the default configuration in a data set's card; {} if it lists none. Raises
    `RefusedError` if none of several is the default, or for file lists that the Hub does not accept.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        _, head, _ = ("\n" + card.read_text(encoding="utf-8")).split("\n---", 2)
        configs = (yaml.safe_load(head) or {}).get("configs") or []
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return {}
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        raise RefusedError(
            "in its card (README.md), configs is not a list; correct it, or specify a single file"
        )
    configs = [config for config in configs if config.get("data_files") or config.get("data_dir")]
    if not configs:
        return {}
    default = [
        config for config in configs if config.get("default") or config.get("config_name") == "default"
    ]
    if not default and len(configs) > 1:
        names = ", ".join(str(config.get("config_name")) for config in configs[:8])
        raise RefusedError(
            f"it has several configurations ({names}{', …' if len(configs) > 8 else ''}); specify one folder "
            "or file"
        )
    return _patterns_of((default or configs)[0])


def _patterns_of(config: dict[str, Any]) -> dict[str, list[str]]:
    folder, files = config.get("data_dir") or "", config.get("data_files") or "*"
    if not isinstance(folder, str):
        raise RefusedError(f"in its card (README.md), data_dir = {folder} is not a folder name")
    plain = not isinstance(files, list) or not any(isinstance(one, dict) for one in files)
    found: dict[str, list[str]] = {}
    for one in [{"split": "train", "path": files}] if plain else files:
        if not isinstance(one, dict) or not one.get("split") or not isinstance(one.get("path"), str | list):
            raise RefusedError(
                "in its card (README.md), each of data_files needs a `split` and a `path`; correct it, or "
                "specify one file"
            )
        paths = one["path"] if isinstance(one["path"], list) else [one["path"]]
        names = [str(PurePosixPath(folder.strip("/")) / str(path)) for path in paths]
        # which may stand for no folder at all
        above = [name.replace("**/", "") for name in names if "**/" in name]
        found.setdefault(str(one["split"]), []).extend(names + above)
    return found


def _refuse_adapter(name: str, sizes: dict[str, int]) -> None:
    if "adapter_config.json" in sizes and "config.json" not in sizes:
        raise RefusedError(
            "it is a PEFT adapter, not a full model; load it with its base model, merge them with "
            "merge_and_unload(), save the result with save_pretrained, and use that folder"
        )


def _matches(path: str, allow_patterns: list[str], ignore_patterns: Sequence[str] = ()) -> bool:
    return any(fnmatch(path, one) for one in allow_patterns) and not any(
        fnmatch(path, one) for one in ignore_patterns
    )


def _telling(name: str = "", total: int = 0) -> Any:
    """An invisible progress bar that reports how many bytes of `total` have arrived."""
    from tqdm import tqdm

    come: dict[int, int] = {}
    said = [0.0]

    class Telling(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self.counts_bytes = bool(total) and options.get("unit") == "B"
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            if self.counts_bytes:
                # more than one bar may count the same bytes
                come[id(self)] = come.get(id(self), 0) + int(n or 0)
                if time.monotonic() - said[0] > _SAID_EVERY_S:
                    said[0] = time.monotonic()
                    say(stage=f"downloading {name}, {max(come.values()) / 1e6:,.0f} of {total / 1e6:,.0f} MB")

    return Telling


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

"""The built-in world `tiny-reviews`: a small GPT-2, a small sentiment classifier and their reviews, ready
offline.

This module stays free of torch: it only locates the files and verifies them against the manifest.
"""

import json
from pathlib import Path
from typing import Any

from ..errors import AssetError
from ..files import sha256

ASSETS = Path(__file__).parent / "assets"
MANIFEST = "manifest.json"

# Two sentences whose scores must lie on either side of zero before any training starts.
CANARIES = ("This movie was wonderful, I loved it.", "This movie was terrible, I hated it.")

_ADVICE = (
    "Restore it with `git checkout -- ppo_engine/builtin/assets`, or run `python -m ppo_engine.world.build`."
)


def read_manifest(folder: Path = ASSETS) -> dict[str, Any]:
    """The manifest of an asset folder: files with sizes and hashes, settings, versions, figures."""
    path = Path(folder) / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**manifest, "files": dict(manifest["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"{path} is missing or unreadable, so the built-in models could not be verified. {_ADVICE}"
        ) from error


def verify(folder: Path = ASSETS) -> None:
    """Raises `AssetError` unless every file in the manifest is present and intact."""
    folder = Path(folder)
    for name, expected in read_manifest(folder)["files"].items():
        path = folder / name
        if not path.is_file():
            raise AssetError(f"{path} is listed in the manifest but missing. {_ADVICE}")
        if sha256(path) != expected["sha256"]:
            raise AssetError(f"{path} does not match the manifest: modified or truncated. {_ADVICE}")

"""Where a base lies: a folder, an asset that ships with the package, or a snapshot of a Hub repository.

From the Hub only weights in safetensors, JSON and tokenizer files of the top folder are fetched: no pickles, no code.
"""

from __future__ import annotations

import importlib.resources
import re
from pathlib import Path

from midtrain.core.errors import UserError, did_you_mean

_ASSET = "asset://"
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt"]


def resolve_base(name: str | Path) -> Path:
    """The local folder of a base: an existing folder, `asset://NAME`, or a Hub id `org/name[@revision]` (fetched).

    Raises UserError when there is no such folder or asset, or the Hub does not give it.
    """
    text = str(name)
    if text.startswith(_ASSET):
        return _asset(text.removeprefix(_ASSET))
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        raise UserError(f"{folder} is a file; name the folder of the model that holds it.")
    match = _HUB_ID.fullmatch(text)
    if match is None or text.startswith((".", "/", "~")):
        raise UserError(f"There is no folder {text}; check the path, or write a Hub id as org/name.")
    return _snapshot(match["repo"], match["revision"])


def _asset(name: str) -> Path:
    root = Path(str(importlib.resources.files("midtrain"))) / "assets"
    options = [folder.name for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
    if name not in options:
        raise UserError(f'midtrain ships no base "{name}".{did_you_mean(name, options)}')
    return root / name


def _snapshot(repo: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=_WANTED, ignore_patterns=["*/*"]))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{repo} is not a folder here, and the Hub cannot be reached to fetch it; check the path or the network."
        ) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{repo} is not a folder here, and the Hub does not give it: {first}") from error

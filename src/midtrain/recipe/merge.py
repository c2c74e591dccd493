"""Merge model folders as a file says, apart from any run: what `midtrain merge` does.

method: ties                       # linear, slerp, task_arithmetic, ties, dare_linear, dare_ties
base: org/base
models:
  - runs/a/model                   # paths are relative to this file
  - {path: runs/b/model, weight: 0.5}
density: 0.2
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from midtrain.core.config import parse
from midtrain.core.errors import UserError
from midtrain.models.merge_config import MergeConfig
from midtrain.recipe.load import apply_override, read_yaml


def load_merge(path: Path | str, overrides: list[str] | None = None) -> MergeConfig:
    """Read, override and check the file of a merge; raises UserError in one sentence for whatever is wrong with it."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path}; write one with method and models, such as models: [a, b].")
    data = read_yaml(path)
    for override in overrides or []:
        apply_override(data, override)
    folder = path.resolve().parent
    data["base"] = _absolute(data.get("base"), folder)
    if isinstance(models := data.get("models"), list):
        data["models"] = [
            one | {"path": _absolute(one.get("path"), folder)} if isinstance(one, dict) else _absolute(one, folder)
            for one in models
        ]
    return parse(MergeConfig, data, str(path))


def merge_models(path: Path | str, to: Path | str, overrides: list[str] | None = None) -> str:
    """Merge what the file at `path` says into the new folder `to`; returns a sentence."""
    from midtrain.models.merge_files import merge_files

    return merge_files(load_merge(path, overrides), to)


def _absolute(name: Any, folder: Path) -> Any:
    """A path beside the file as an absolute one; Hub ids and assets stay."""
    if not isinstance(name, str) or "://" in name:
        return name
    local = name.startswith((".", "/", "~")) or (folder / name).exists()
    return str((folder / os.path.expanduser(name)).resolve()) if local else name

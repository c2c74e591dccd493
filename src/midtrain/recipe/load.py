"""From a YAML file and dotted overrides to a checked recipe, and back to a resolved file that reruns it.

Paths in a recipe are relative to the recipe's own folder and become absolute when it is read, so that the resolved
copy kept with the artifacts means the same files wherever it lies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from midtrain.core.config import parse
from midtrain.core.errors import UserError, did_you_mean
from midtrain.recipe.schema import DocumentsConfig, RecipeConfig

_NAMED_PARTS = ("sources", "stages")


def load_recipe(path: Path | str, overrides: list[str] | None = None) -> RecipeConfig:
    """Read, override and check a recipe; raises UserError in one sentence for whatever is wrong with it."""
    data = _read(Path(path), overrides)
    if "sources" in data and not data.keys() & {"base", "stages"}:
        raise UserError(f"{path} names sources but no base and no stages; add them, or use: midtrain curate {path}")
    return parse(RecipeConfig, data, str(path))


def load_documents(path: Path | str, overrides: list[str] | None = None) -> DocumentsConfig:
    """A recipe, or a file of sources and their curation alone (one without `base` and `stages`)."""
    data = _read(Path(path), overrides)
    return parse(RecipeConfig if data.keys() & {"base", "stages"} else DocumentsConfig, data, str(path))


def _read(path: Path, overrides: list[str] | None) -> dict[str, Any]:
    data = read_yaml(path)
    if isinstance(data.get("base"), str):  # short for its path
        data["base"] = {"path": data["base"]}
    for override in overrides or []:
        apply_override(data, override)
    absolute_paths(data, path.resolve().parent)
    return data


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; a missing file, broken YAML, a repeated key or another shape is a UserError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"There is no recipe at {path}; write one with: midtrain init {path}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name the recipe file in it.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the path and its permissions.") from None
    try:
        data = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{path} is not valid YAML{line}: {problem}.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} holds no recipe: it must be a mapping with name, base, sources and stages.")
    return data


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice instead of keeping the last, and what only looks like a value."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # such as the date 2026-99-99
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain value", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f'the key "{key}" stands twice', key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def apply_override(data: dict[str, Any], override: str) -> None:
    """Apply one `a.b.c=value` in place; the value is read as YAML, so 2M, 3e-4, [1, 2] and {a: 1} all work."""
    dotted, equals, text = override.partition("=")
    keys = [key for key in dotted.strip().split(".") if key]
    if not equals or not keys:
        raise UserError(f"--set {override}: write it as a.b.c=value, such as --set stages.anneal.tokens=2M")
    try:
        value = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError:
        raise UserError(f"--set {dotted}: {text!r} is not a value; quote it if it holds colons or brackets.") from None
    here: Any = data
    for depth, key in enumerate(keys[:-1]):
        here = _descend(here, key, keys[: depth + 1], dotted)
    if isinstance(here, list):
        here[_index(here, keys[-1], dotted)] = value
    elif isinstance(here, dict):
        here[keys[-1]] = value
    else:
        raise UserError(f"--set {dotted}: {'.'.join(keys[:-1])} is a single value and has no fields.")


def _descend(here: Any, key: str, path: list[str], dotted: str) -> Any:
    if isinstance(here, list):
        return here[_index(here, key, dotted)]
    if not isinstance(here, dict):
        raise UserError(f"--set {dotted}: {'.'.join(path[:-1])} is a single value and has no fields.")
    if here.get(key) is None:
        if len(path) == 2 and path[0] in _NAMED_PARTS:
            raise UserError(f'--set {dotted}: there is no "{key}" in {path[0]}.{did_you_mean(key, here)}')
        here[key] = {}
    return here[key]


def _index(here: list[Any], key: str, dotted: str) -> int:
    if not key.isdigit() or int(key) >= len(here):
        raise UserError(f"--set {dotted}: {key} is not a place in a list of {len(here)}.")
    return int(key)


def absolute_paths(data: dict[str, Any], folder: Path) -> None:
    """Make the paths of the base and of the sources absolute, in place (what has a scheme or does not exist stays)."""
    base = data.get("base")
    if isinstance(base, str):  # set by an override
        data["base"] = base = {"path": base}
    tokenizer = base.get("tokenizer") if isinstance(base, dict) else None
    for part in (base, tokenizer):
        if isinstance(part, dict) and isinstance(part.get("path"), str) and _is_local(part["path"], folder):
            part["path"] = str((folder / os.path.expanduser(part["path"])).resolve())
    sources = data.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        if isinstance(source, dict):
            _absolute_reads(source, folder)
    for part in ("curate", "decontaminate", "evaluation"):
        _absolute_reads(data.get(part), folder)


def _absolute_reads(part: Any, folder: Path) -> None:
    """Make absolute what is named under `read`, `verdicts` and local `path`s anywhere in a part of a recipe."""
    if isinstance(part, list):
        for one in part:
            _absolute_reads(one, folder)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key in ("read", "verdicts") and isinstance(value, str):
            part[key] = _absolute(value, folder)
        elif key == "read" and isinstance(value, list):
            part[key] = [_absolute(one, folder) if isinstance(one, str) else one for one in value]
        elif key in ("path", "model") and isinstance(value, str) and _is_local(value, folder):
            part[key] = str((folder / os.path.expanduser(value)).resolve())
        else:
            _absolute_reads(value, folder)


def _absolute(read: str, folder: Path) -> str:
    if "://" in read:
        return read
    return str(folder / os.path.expanduser(read))


def _is_local(path: str, folder: Path) -> bool:
    return "://" not in path and (path.startswith((".", "/", "~")) or (folder / path).exists())


def dump_recipe(recipe: DocumentsConfig) -> str:
    """The resolved recipe as YAML: every field written out, enough to run it again."""
    data = json.loads(recipe.model_dump_json())
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def json_schema() -> str:
    """The recipe's JSON schema, for editors that complete and check YAML."""
    return json.dumps(RecipeConfig.model_json_schema(), indent=1) + "\n"

"""A merge with midtrain, in a process of its own so that its memory can be measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from merge_measure import measure  # type: ignore[import-not-found]

from midtrain.models.merge_config import MergeConfig
from midtrain.models.merge_files import merge_files


def main() -> None:
    """CONFIG FOLDER OUT: merge what the JSON file CONFIG says into FOLDER and write the measurements to OUT."""
    config, folder, out = sys.argv[1:4]
    asked = MergeConfig.model_validate(json.loads(Path(config).read_text()))
    measure(lambda: merge_files(asked, folder), out)


if __name__ == "__main__":
    main()

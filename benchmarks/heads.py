"""``python benchmarks/heads.py``: ``replace_head`` on models of torchvision, timm and transformers.

Each model is built on the meta device; the head is found and replaced, a training pass with a batch of two must give
one score for each class, a gradient must reach every new layer, and undo must bring back the very same tensors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.finetune import heads  # noqa: E402 - the root must be on the path first

LIBRARIES = ("torchvision", "timm", "transformers")


def main() -> int:
    """Check all models of the libraries named; a line for each, JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="*", default=list(LIBRARIES))
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "heads.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results: dict[str, dict[str, str]] = {}
    for library in options.libraries:
        found = results[library] = {}
        build = getattr(heads, f"{library}_model")
        for name in getattr(heads, f"{library}_names")():
            began = time.perf_counter()
            found[name] = look(build, name)
            print(f"{library} {name} ({time.perf_counter() - began:.1f} s): {found[name]}", flush=True)
        replaced = sum(not said.startswith(("not ", "wrong")) for said in found.values())
        built = sum(not said.startswith("not built") for said in found.values())
        print(f"{library}: {replaced} of {built} heads replaced and checked ({len(found)} names)", flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def look(build: object, name: str) -> str:
    """What came of one model, in a line."""
    try:
        model = build(name)  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - a configuration of ours may not fit
        return f"not built: {_line(error)}"
    try:
        return str(heads.check(model))
    except heads.CheckError as error:
        return f"wrong: {_line(error)}"
    except Exception as error:  # noqa: BLE001 - whatever the model's code raises
        return f"not replaced: {_line(error)}"


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    sys.exit(main())

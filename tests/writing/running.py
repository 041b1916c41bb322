"""Runs cells where ``import notebookviz`` raises: reads jobs from a file, writes what happened to another."""

from __future__ import annotations

import contextlib
import importlib.abc
import io
import json
import sys
import traceback
from pathlib import Path


class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "notebookviz":
            raise ImportError(name)


def main(jobs, results):
    sys.meta_path.insert(0, Blocked())
    done = {}
    for name, cells in json.loads(Path(jobs).read_text()).items():
        space, said = {"__name__": "__main__"}, io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                for cell in cells:
                    exec(compile(cell, f"<{name}>", "exec"), space)  # noqa: S102 - this is what it is for
            history = [{key: float(value).hex() for key, value in row.items()} for row in space.get("history", [])]
            done[name] = {"history": history, "said": said.getvalue(), "error": ""}
        except Exception:  # noqa: BLE001 - the test says what happened
            done[name] = {"history": [], "said": said.getvalue(), "error": traceback.format_exc()}
    Path(results).write_text(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])

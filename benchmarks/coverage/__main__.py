"""``make coverage``: every model of a long list looked at without an input, each in a child process of its own.

``python -m benchmarks.coverage [--group timm] [--name resnet] [--jobs 2] [--every 1]`` writes one JSON line for each
model to ``artifacts/coverage.jsonl``, in place of an earlier one, and the table of all lines to ``docs/coverage.md``.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from benchmarks.coverage import cases, pool, report

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Measure, print a line for each model, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", nargs="*", default=[], help="only these groups")
    parser.add_argument("--name", default="", help="only models whose name has this regular expression")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--seconds", type=float, default=180.0, help="time limit for one model")
    parser.add_argument("--memory", type=float, default=8.0, help="memory limit for one model, GB")
    parser.add_argument("--quick", action="store_true", help="without the real runs: nothing is confirmed")
    parser.add_argument("--lines", type=Path, default=ROOT / "artifacts" / "coverage.jsonl")
    parser.add_argument("--table", type=Path, default=ROOT / "docs" / "coverage.md")
    parser.add_argument("--only-table", action="store_true", help="measure nothing, make the table anew from the lines")
    options = parser.parse_args()
    options.lines.parent.mkdir(exist_ok=True)
    if not options.only_table:
        chosen = [case for case in cases.of_group(*options.group) if re.search(options.name, case.name)]
        limits = pool.Limits(options.seconds, options.memory, real=not options.quick)
        for line in pool.run(chosen[:: options.every], options.jobs, limits):
            print(report.one_line(line), flush=True)
            report.keep(options.lines, line)
    options.table.write_text(report.table(report.read(options.lines), report.versions()))
    print(report.totals(report.read(options.lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

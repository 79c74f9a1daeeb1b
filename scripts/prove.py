"""Prove the contracts of blocks: ``python scripts/prove.py [--block NAME]``.

Without ``--block`` all are proved, and the table in docs/develop/verification.md is written.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from formal.proofs import PROOFS  # noqa: E402

_PAGE = ROOT / "docs" / "develop" / "verification.md"
_HEAD = ["| block | properties | number | method | depth | CPU seconds |",
         "|---|---|---|---|---|---|"]


def _prove(proof):
    """Rows of the table; raises SystemExit when a property fails."""
    for depth, goal in proof.goals().items():
        result = proof.prove(depth, goal)
        if not result.proved:
            sys.exit(f"{proof.name}: a property of {goal} fails in cycle {result.failed_at}.")
        method, bound = ("PDR", "unbounded") if depth is None else ("BMC", f"{depth} cycles")
        what = proof.what if depth is None else "; ".join(goal)
        yield (f"| `{proof.name}` | {what} | {len(goal)} | {method} | {bound} "
               f"| {result.seconds:.0f} |")
    missed = [name for name, cycle in proof.covers().items() if cycle is None]
    if missed:
        sys.exit(f"{proof.name}: never met: {', '.join(missed)}.")
    if proof.caught_at() is None:
        sys.exit(f"{proof.name}: the broken variant is not caught.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--block", choices=PROOFS, help="prove this one only")
    chosen = parser.parse_args().block
    lines = list(_HEAD)
    for proof in PROOFS.values() if chosen is None else [PROOFS[chosen]]:
        for line in _prove(proof):
            print(line, flush=True)
            lines.append(line)
    if chosen is None:
        text = _PAGE.read_text()
        table = "\n".join(["<!-- BEGIN PROOFS -->", *lines, "<!-- END PROOFS -->"])
        _PAGE.write_text(re.sub(r"<!-- BEGIN PROOFS -->.*<!-- END PROOFS -->", lambda _: table,
                                text, flags=re.S))


if __name__ == "__main__":
    main()

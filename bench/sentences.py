"""Claim: sentences of the report are false as rarely as they say: in at most one study of twenty, kind by kind.

Constructed studies (`tests/constructed_runs.py`: chances of every problem known, samples drawn anew in every study) in
the worlds where a sentence is likeliest to be false, and in others by name. Every sentence that asserts something is
held against the truth. Columns: of STUDIES studies in how many the kind of sentence (its quantity) asserted anything,
and in how many it was false. "difference" holds claims of three methods, each at its own 95 %. The last line names what
is above .05 by more than three standard errors. STUDIES and names of worlds may be given.
"""

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.constructed_runs import is_true, study
from tests.test_sentences import GRID, LEAST_TRUE, paragraphs

STUDIES = int(sys.argv[1]) if len(sys.argv) > 1 else 200
ALLOWED = 0.05 + 3 * (0.05 * 0.95 / STUDIES) ** 0.5


def counted(name: str) -> tuple[Counter[str], Counter[str]]:
    """By quantity, the studies that assert something of it, and those in which any such sentence is false."""
    said, false = Counter[str](), Counter[str]()
    for seed in range(STUDIES):
        made = study(replace(GRID[name], beyond=False), seed=1000 + seed)
        claims = [each for group in paragraphs(made) for each in group if each.established]
        said.update({each.asserts[0].quantity for each in claims})
        false.update({each.asserts[0].quantity for each in claims if not is_true(made, each)})
    return said, false


def main() -> None:
    started = time.process_time()
    print(f"{STUDIES} studies of each world")
    print(f"{'world':24}{'what is asserted':28}{'said':>6}{'false':>7}{'share':>8}")
    beyond: list[str] = []
    for name in sys.argv[2:] or LEAST_TRUE:
        said, false = counted(name)
        for quantity, times in sorted(said.items()):
            share = false[quantity] / STUDIES
            print(f"{name:24}{quantity:28}{times:>6}{false[quantity]:>7}{share:>8.3f}", flush=True)
            beyond += [f"{name}: {quantity} {share:.3f}"] if share > ALLOWED else []
    print(f"above {ALLOWED:.3f}: {', '.join(beyond) or 'none'}; {time.process_time() - started:.0f} s")
    sys.exit(bool(beyond))


if __name__ == "__main__":
    main()

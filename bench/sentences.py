"""Claim: sentences of the report are false as rarely as they say: in at most one study of twenty, kind by kind.

Constructed studies (`tests/constructed_runs.py`: chances of every problem known, samples drawn anew in every study) in
the worlds where a sentence is likeliest to be false, and in others by name. Every sentence that asserts something is
held against the truth. Columns: how many sentences of a kind (its quantity) asserted anything, how many of them were
false, the share, and in what share of studies any was: a study has a sentence of most kinds for each model or method,
each at its own 95 %. The last line names the kinds of which more than .05 are false, by more than three standard errors
of as many studies. STUDIES and names of worlds may be given.
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


def counted(name: str) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By quantity, the sentences that assert something of it, the false ones, and the studies with a false one."""
    said, false, studies = Counter[str](), Counter[str](), Counter[str]()
    for seed in range(STUDIES):
        made = study(replace(GRID[name], beyond=False), seed=1000 + seed)
        claims = [each for group in paragraphs(made) for each in group if each.established]
        wrong = [each.asserts[0].quantity for each in claims if not is_true(made, each)]
        said.update(each.asserts[0].quantity for each in claims)
        false.update(wrong)
        studies.update(set(wrong))
    return said, false, studies


def main() -> None:
    started = time.process_time()
    print(f"{STUDIES} studies of each world")
    print(f"{'world':24}{'what is asserted':28}{'said':>6}{'false':>7}{'share':>8}{'studies':>9}")
    beyond: list[str] = []
    for name in sys.argv[2:] or LEAST_TRUE:
        said, false, studies = counted(name)
        for quantity, times in sorted(said.items()):
            share, any_false = false[quantity] / times, studies[quantity] / STUDIES
            print(f"{name:24}{quantity:28}{times:>6}{false[quantity]:>7}{share:>8.3f}{any_false:>9.3f}", flush=True)
            beyond += [f"{name}: {quantity} {share:.3f}"] if share > ALLOWED else []
    print(f"above {ALLOWED:.3f}: {', '.join(beyond) or 'none'}; {time.process_time() - started:.0f} s")
    sys.exit(bool(beyond))


if __name__ == "__main__":
    main()

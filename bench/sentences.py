"""Claim: sentences of the report are false as rarely as they say: in at most one study of twenty, kind by kind.

Constructed studies (`tests/constructed_runs.py`: chances of every problem known, samples drawn anew in every study) in
the worlds where a sentence is likeliest to be false, and in others by name. Every sentence that asserts something is
held against the truth. Columns: how many sentences of a kind (its quantity) asserted anything, how many of them were
false, the share, and in what share of studies any was: a study has a sentence of most kinds for each model or method,
each at its own 95 %. The last line names the kinds of which more than .05 are false, by more than three standard errors
of as many studies.

    python bench/sentences.py [STUDIES] [WORLD ...] [--first-seed 1000]

A kind that was picked because its share was high is counted again with seeds that nobody has seen.
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.constructed_runs import is_true, study
from tests.test_sentences import GRID, LEAST_TRUE, paragraphs


def counted(name: str, seeds: range) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By quantity, the sentences that assert something of it, the false ones, and the studies with a false one."""
    said, false, studies = Counter[str](), Counter[str](), Counter[str]()
    for seed in seeds:
        made = study(replace(GRID[name], beyond=False), seed=seed)
        claims = [each for group in paragraphs(made) for each in group if each.established]
        wrong = [each.asserts[0].quantity for each in claims if not is_true(made, each)]
        said.update(each.asserts[0].quantity for each in claims)
        false.update(wrong)
        studies.update(set(wrong))
    return said, false, studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="?", type=int, default=200)
    parser.add_argument("worlds", nargs="*", default=[*LEAST_TRUE], metavar="WORLD")
    parser.add_argument("--first-seed", type=int, default=1000)
    args = parser.parse_args()
    allowed = 0.05 + 3 * (0.05 * 0.95 / args.studies) ** 0.5
    started = time.process_time()
    print(f"{args.studies} studies of each world")
    print(f"{'world':24}{'what is asserted':28}{'said':>6}{'false':>7}{'share':>8}{'studies':>9}")
    beyond: list[str] = []
    for name in args.worlds:
        said, false, studies = counted(name, range(args.first_seed, args.first_seed + args.studies))
        for quantity, times in sorted(said.items()):
            share, any_false = false[quantity] / times, studies[quantity] / args.studies
            print(f"{name:24}{quantity:28}{times:>6}{false[quantity]:>7}{share:>8.3f}{any_false:>9.3f}", flush=True)
            beyond += [f"{name}: {quantity} {share:.3f}"] if share > allowed else []
    print(f"above {allowed:.3f}: {', '.join(beyond) or 'none'}; {time.process_time() - started:.0f} s")
    sys.exit(bool(beyond))


if __name__ == "__main__":
    main()

"""Does training pay against more tries of base? One sentence."""

from move37.analyses.compute_parity import ComputeParity
from move37.report.number_format import count, counted


def parity_sentence(found: ComputeParity) -> str:
    """What holds with one try, and up to which k training ever pays."""
    one = found.rows[0]
    spent = f"The {count(found.training_tokens)} tokens of the training of {found.rl}"
    if one.extra_tries is None:
        bound = f" after fewer than {count(one.break_even)} uses" if one.break_even is not None else ""
        text = f"{spent} pay{bound} with one try: {found.base} does not solve as much with all of its samples"
    elif one.break_even is None:
        text = f"{spent} buy nothing with one try: {found.base} solves as much"
    else:
        tries = f"{one.extra_tries:,.1f} tries more of {found.base}"
        text = f"{spent} pay from {counted(round(one.break_even), 'use')} on with one try, in place of {tries}"
    never = [row.k for row in found.rows if row.extra_tries == 0]
    if never and never[0] > 1:
        text += f"; with {count(never[0])} tries {found.base} solves as much anyway"
    return (
        f"{text} (a try of {found.base} takes {found.tokens_per_try:,.0f} tokens). These are estimates; how they would "
        "vary with other problems is not in them."
    )

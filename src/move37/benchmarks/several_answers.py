"""Problems of LiveCodeBench of which several answers are right, by question: the authors' harness takes one of them.

For scripts, a `check(given, output, expected)`: asked only of an output that is not the expected one, in a sandbox,
where what it raises means no. For functions, the questions whose lists may be in any order. Looked for in the 880
questions of release v5 by their own words. Left out: arc183_d, whose procedures take longer to follow than a program.
"""

_NUMBERS = "def numbers(text):\n    return [int(word) for word in text.split()]\n\n\n"
_WITHIN = """\
def check(given, output, expected):
    pairs = list(zip(output.split(), expected.split(), strict=True))
    return all(abs(float(x) - float(y)) <= 1e-5 * max(1.0, abs(float(y))) for x, y in pairs)
"""

CHECKERS = {
    # "Print any integer between 0 and 9, inclusive, that is not equal to A + B" (LiveCodeBench issue 106).
    "abc343_a": """\
def check(given, output, expected):
    return output.strip() in set("0123456789") - {str(sum(map(int, given.split())))}
""",
    # A directed cycle, its length first.
    "abc311_c": _NUMBERS
    + """\
def check(given, output, expected):
    after, (length, *cycle) = numbers(given), numbers(output)
    if not length == len(cycle) == len(set(cycle)) >= 2 or not all(1 <= each < len(after) for each in cycle):
        return False
    return all(after[a] == b for a, b in zip(cycle, cycle[1:] + cycle[:1]))
""",
    # The books to read before the first, which are certain, in an order that is not.
    "abc315_e": _NUMBERS
    + """\
def check(given, output, expected):
    needs, order, read = [[], *(numbers(line)[1:] for line in given.split("\\n")[1:])], numbers(output), set()
    if sorted(order) != sorted(numbers(expected)):
        return False
    for book in [*order, 1]:
        if not read.issuperset(needs[book]):
            return False
        read.add(book)
    return True
""",
    # A grid with one A, one B and one C in each line, of which the first are given.
    "abc326_d": """\
def check(given, output, expected):
    (size, left, top), (yes, *rows) = given.split(), output.split()
    if expected.split()[0] != "Yes" or yes != "Yes" or [len(row) for row in rows] != [int(size)] * int(size):
        return False
    lines = [(line, first) for side, firsts in ((rows, left), (zip(*rows), top)) for line, first in zip(side, firsts)]
    cells = [("".join(line).replace(".", ""), first) for line, first in lines]
    return all(sorted(cell) == ["A", "B", "C"] and cell[0] == first for cell, first in cells)
""",
    # The fewest potions, which are certain, and which of them to pick up.
    "abc333_e": _NUMBERS
    + """\
def check(given, output, expected):
    (most, *picked), (_, *events) = numbers(output), numbers(given)
    if numbers(expected) == [-1] or most != numbers(expected)[0] or not set(picked) <= {0, 1}:
        return False
    has, held, choices = {}, 0, iter(picked)
    for kind, potion in zip(events[::2], events[1::2]):
        change = next(choices) if kind == 1 else -1
        has[potion] = has.get(potion, 0) + change
        held += change
        if has[potion] < 0 or held > most:
            return False
    return next(choices, None) is None
""",
    # Three cubes that share the given volumes.
    "abc343_e": _NUMBERS
    + """\
def shared(*cubes):
    volume = 1
    for corners in zip(*cubes):
        volume *= max(0, min(corners) + 7 - max(corners))
    return volume


def check(given, output, expected):
    yes, *rest = output.split()
    places = list(map(int, rest))
    if expected.split()[0] != "Yes" or yes != "Yes" or len(places) != 9 or max(map(abs, places)) > 100:
        return False
    a, b, c = places[:3], places[3:6], places[6:]
    three = shared(a, b, c)
    two = shared(a, b) + shared(b, c) + shared(a, c) - 3 * three
    return numbers(given) == [3 * 7**3 - 2 * two - 3 * three, two, three]
""",
    # Numbers within bounds that add up to zero.
    "abc362_c": _NUMBERS
    + """\
def check(given, output, expected):
    yes, *rest = output.split()
    chosen, (size, *bounds) = list(map(int, rest)), numbers(given)
    if expected.split()[0] != "Yes" or yes != "Yes" or len(chosen) != size or sum(chosen) != 0:
        return False
    return all(low <= each <= high for low, each, high in zip(bounds[::2], chosen, bounds[1::2]))
""",
    # Numbers on a graph's vertices; those beside a vertex cancel out.
    "abc366_g": _NUMBERS
    + """\
def check(given, output, expected):
    yes, *rest = output.split()
    written, (size, _, *edges) = [0, *map(int, rest)], numbers(given)
    if expected.split()[0] != "Yes" or yes != "Yes" or len(written) != size + 1:
        return False
    beside = [0] * (size + 1)
    for u, v in zip(edges[::2], edges[1::2]):
        beside[u] ^= written[v]
        beside[v] ^= written[u]
    return not any(beside) and all(1 <= each < 2**60 for each in written[1:])
""",
    # Segments between points that do not cross.
    "abc373_g": _NUMBERS
    + """\
def turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])


def check(given, output, expected):
    chosen, (size, *places) = numbers(output), numbers(given)
    if numbers(expected) == [-1] or sorted(chosen) != list(range(1, size + 1)):
        return False
    points = list(zip(places[::2], places[1::2]))
    ends = [(points[i], points[size + other - 1]) for i, other in enumerate(chosen)]
    return not any(
        turn(a, b, c) != turn(a, b, d) and turn(c, d, a) != turn(c, d, b)
        for i, (a, b) in enumerate(ends)
        for c, d in ends[:i]
    )
""",
    # A grid whose rows and columns are in the given orders.
    "arc181_c": _NUMBERS
    + """\
def check(given, output, expected):
    rows, (size, *orders) = output.split(), numbers(given)
    if [len(row) for row in rows] != [size] * size or not set("".join(rows)) <= {"0", "1"}:
        return False
    sides = (rows, orders[:size]), (["".join(column) for column in zip(*rows)], orders[size:])
    ordered = [[side[each - 1] for each in order] for side, order in sides]
    return all(a < b for lines in ordered for a, b in zip(lines, lines[1:]))
""",
    # Three places whose numbers have a sum.
    "arc185_c": _NUMBERS
    + """\
def check(given, output, expected):
    (i, j, k), (size, total, *rest) = numbers(output), numbers(given)
    return 1 <= i < j < k <= size and rest[i - 1] + rest[j - 1] + rest[k - 1] == total
""",
    # These grant an error of 1e-5; others 1e-6 or less, which outputs are granted in any case.
    "abc314_e": _WITHIN,
    "abc315_f": _WITHIN,
}
IN_ANY_ORDER = frozenset({"3194", "3221", "3234", "3453"})

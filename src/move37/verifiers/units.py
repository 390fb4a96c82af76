r"""Units: what "5 km/h", "5\,\frac{\text{m}}{\text{s}}", "5 square feet" and "$5" measure, so that 5 m is 500 cm.

A unit is a factor and the powers of what it measures (length, mass, time, ...). Two quantities whose units measure the
same are converted; two that do not are different. The table holds what references of mathematical benchmarks and their
answers use; a unit that is not in it is a word like any other (`words.py`).
Left out: temperatures in degrees are not converted into kelvin; currencies are not converted.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

Dimension = tuple[tuple[str, int], ...]
"""(("length", 1), ("time", -1)) for a speed, in the order of the alphabet."""


@dataclass(frozen=True, slots=True)
class Unit:
    factor: Fraction
    dimension: Dimension

    def times(self, other: "Unit", sign: int = 1) -> "Unit":
        powers = dict(self.dimension)
        for name, power in other.dimension:
            powers[name] = powers.get(name, 0) + sign * power
        factor = self.factor * other.factor if sign > 0 else self.factor / other.factor
        return Unit(factor, tuple(sorted((name, power) for name, power in powers.items() if power)))

    def raised(self, power: int) -> "Unit":
        return Unit(self.factor**power, tuple((name, exponent * power) for name, exponent in self.dimension))


PLAIN = Unit(Fraction(1), ())

# spelling: factor, dimension. Plurals in "s" are made from words of three letters and more.
_TABLE = """
metre meter: 1 length / inch in: 0.0254 length / inches: 0.0254 length / foot feet ft: 0.3048 length
yard yd: 0.9144 length / mile mi: 1609.344 length / ly lightyear: 9460730472580800 length
angstrom: 0.0000000001 length / parsec pc: 30856775814913673 length / AU: 149597870700 length
gram gramme: 1 mass / tonne ton: 1000000 mass / pound lb: 453.59237 mass / lbs: 453.59237 mass
ounce oz: 28.349523125 mass / amu u: 0 atomicmass
second sec: 1 time / minute min: 60 time / mins: 60 time / hour hr h: 3600 time / hrs: 3600 time / day: 86400 time
week: 604800 time / month: 1 month / year yr: 12 month / yrs: 12 month / decade: 120 month / century: 1200 month
centuries: 1200 month
litre liter l L: 0.001 length3 / gallon gal: 0.003785411784 length3 / quart: 0.000946352946 length3
pint: 0.000473176473 length3 / cup: 0.0002365882365 length3 / cc: 0.000001 length3
hectare ha: 10000 length2 / acre: 4046.8564224 length2
degree deg °: 1 degree / arcminute: 1/60 degree / arcsecond: 1/3600 degree / radian rad: 1 radian
cent ¢: 0.01 money / dollar $ USD usd US$ buck: 1 dollar / cents: 0.01 money / penny: 0.01 money / pennies: 0.01 money
nickel: 0.05 dollar / dime: 0.1 dollar / euro € EUR eur: 1 euro / sterling £ GBP gbp: 1 sterling / pence: 0.01 sterling
yen ¥ JPY: 1 yen / yuan RMB rmb CNY: 1 yuan / rupee Rs rs ₹ INR: 1 rupee / ruble RUB ₽: 1 ruble / won ₩: 1 won
newton N: 1000 mass length time-2 / joule J: 1000 mass length2 time-2 / watt W: 1000 mass length2 time-3
pascal Pa: 1000 mass length-1 time-2 / bar: 100000000 mass length-1 time-2 / atm: 101325000 mass length-1 time-2
eV: 0 electronvolt / volt V: 1 volt / ampere amp A: 1 ampere / ohm Ω: 1 ohm / coulomb C: 1 coulomb / farad F: 1 farad
tesla T: 1 tesla / weber Wb: 1 weber / henry H: 1 henry / siemens S: 1 siemens
hertz Hz: 1 time-1 / rpm: 1/60 turn time-1 / rev revolution: 1 turn
kelvin K: 1 kelvin / celsius °C degC: 1 celsius / fahrenheit °F degF: 1 fahrenheit
mole mol: 1 mole / calorie cal: 4184 mass length2 time-2 / bit: 1 bit / byte: 8 bit / candela cd: 1 candela
lumen lm: 1 lumen / lux lx: 1 lux / becquerel Bq: 1 becquerel / diopter: 1 length-1 / dB: 1 decibel
mph: 0.44704 length time-1 / kmh kph: 5/18 length time-1 / knot: 1852/3600 length time-1
micron: 0.000001 length / square sq: 1 square / erg: 0.0001 mass length2 time-2 / dyn dyne: 0.01 mass length time-2
gauss G: 1 gauss / unit: 1 unit
"""
_PREFIXES = {
    "f": "1e-15", "p": "1e-12", "n": "1e-9", "µ": "1e-6", "u": "1e-6", "m": "1e-3", "c": "1e-2", "d": "1e-1",
    "k": "1e3",
    "M": "1e6", "G": "1e9", "T": "1e12",
}  # fmt: skip
_LONG_PREFIXES = {
    "nano": "1e-9", "micro": "1e-6", "milli": "1e-3", "centi": "1e-2", "deci": "1e-1", "kilo": "1e3", "mega": "1e6",
    "giga": "1e9",
}  # fmt: skip
_PREFIXED = ("g", "m", "s", "l", "L", "N", "J", "W", "Pa", "eV", "V", "A", "Ω", "F", "T", "Hz", "mol", "bit", "cal",
             "C", "H", "pc", "bar", "G", "K")  # fmt: skip
LOOSE = frozenset("mgshlLNJWVAKCFTHSΩ$€£¥")
"""Units of one letter: bare beside a number they may as well be a factor ("5 m" and 5m)."""
NO_BARE_UNITS = frozenset(("u", "h", "H", "F", "T", "S", "G", "C", "A"))
"""Letters that are units only inside `\\text{}` or `\\mathrm{}`: bare, they are letters of a formula."""


def _read_table() -> dict[str, Unit]:
    units = {
        "m": Unit(Fraction(1), (("length", 1),)),
        "g": Unit(Fraction(1), (("mass", 1),)),
        "s": Unit(Fraction(1), (("time", 1),)),
    }
    for entry in re.split(r"\n| / ", _TABLE.strip()):
        names, _, measure = entry.partition(": ")
        factor, *parts = measure.split()
        powers: list[tuple[str, int]] = []
        for part in parts:
            name, power = re.fullmatch(r"([a-z]+)(-?\d?)", part).groups()  # pyright: ignore[reportOptionalMemberAccess]
            powers.append((name, int(power or 1)))
        unit = Unit(Fraction(factor) or Fraction(1), tuple(sorted(powers)))
        for name in names.split():
            units[name] = unit
            if len(name) > 2 and name.islower() and not name.endswith("s"):
                units.setdefault(f"{name}s", unit)
    for name in _PREFIXED:
        for prefix, factor in _PREFIXES.items():
            units.setdefault(prefix + name, Unit(units[name].factor * Fraction(factor), units[name].dimension))
    for name in ("metre", "meter", "gram", "gramme", "second", "litre", "liter", "newton", "joule", "watt", "pascal",
                 "hertz", "volt", "amp", "ampere", "ohm", "byte", "bit", "calorie"):  # fmt: skip
        for prefix, factor in _LONG_PREFIXES.items():
            unit = Unit(units[name].factor * Fraction(factor), units[name].dimension)
            units[prefix + name] = units[f"{prefix}{name}s"] = unit
    units["kgs"], units["°"] = units["kg"], units["degree"]
    return units


TABLE = _read_table()
_PIECE = re.compile(r"\s*(?:([A-Za-zµΩ°$€£¥₹₽₩¢]+)|([*/()])|\^?\s*\{?\s*([+-]?[1-9])\s*\}?)")
_SQUARES = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cu": 3}


def known(word: str) -> Unit | None:
    """The unit of that name or abbreviation; long names in any case."""
    unit = TABLE.get(word)
    return TABLE.get(word.lower()) if unit is None and len(word) > 3 else unit


@lru_cache(maxsize=4096)
def read_unit(text: str) -> Unit | None:
    """The unit in plain words and signs ("kg m/s^2", "square feet", "miles per hour"); None where it is none."""
    pieces: list[str] = []
    position = 0
    text = text.strip().rstrip(".")
    while position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            return None
        word = match[1] or match[2] or "^" + match[3]
        pieces.append("/" if word == "per" else word)
        position = match.end()
    return _product([each for each in pieces if each != "of"]) if pieces else None


def _product(pieces: list[str]) -> Unit | None:
    """Factors in a row; what follows a "/" is divided by, up to the next "/" or the end of its brackets."""
    total, sign, raised, used = PLAIN, 1, 1, False
    position = 0
    while position < len(pieces):
        piece = pieces[position]
        position += 1
        if piece == "/":
            sign = -1
        elif piece == "*":
            continue
        elif piece in _SQUARES and position < len(pieces) and not piece.endswith("ed"):
            raised = _SQUARES[piece]
        elif piece == "(":
            end = _closing(pieces, position)
            inner = _product(pieces[position:end]) if end is not None else None
            if inner is None or end is None:
                return None
            total, position, used = total.times(inner, sign), end + 1, True
        else:
            unit = known(piece)
            if unit is None or piece in ("square", "sq"):
                return None
            if position < len(pieces) and (
                pieces[position].startswith("^") or pieces[position] in ("squared", "cubed")
            ):
                power = pieces[position]
                raised, position = _SQUARES.get(power) or int(power[1:]), position + 1
                head = TABLE.get(piece[:-1]) if raised < 0 and piece.endswith("s") else None
                if head is not None and head.dimension == (("length", 1),):  # ms^-1 is m s^-1, not 1/ms
                    total, unit = total.times(head, sign), TABLE["s"]
            total, raised, used = total.times(unit.raised(raised), sign), 1, True
    return total if used and raised == 1 else None


def _closing(pieces: list[str], start: int) -> int | None:
    depth = 1
    for position in range(start, len(pieces)):
        depth += {"(": 1, ")": -1}.get(pieces[position], 0)
        if depth == 0:
            return position
    return None

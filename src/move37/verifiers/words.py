r"""What words beside a value mean: they lead to it, they are its unit or what was counted, or they make it another one.

The lists are of kinds of words, in lower case. A word that is in none of them and stands behind a number is a counted
noun if it is a plural ("5 apples"); anything else is a statement that nobody reads as a number ("5 lakh off").
"""

import re

from move37.verifiers import numerals


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MULTIPLES = {
    **numerals.SCALES, "dozen": 12, "score": 20, "hundred": 10**2, "lakh": 10**5, "crore": 10**7, "mn": 10**6,
    "bn": 10**9, "万": 10**4, "亿": 10**8,
}  # fmt: skip
NUMBER_WORDS = (numerals.WORDS - {"quarters"}) | _words(  # these are coins, behind a number
    "twelfth twelfths hundredth hundredths thousandth thousandths millionth millionths twice thrice double triple"
    " infinity infinite dozens scores hundreds thousands millions billions trillions lakhs crores"
)
OPERATIONS = _words(
    "squared cubed factorial mod modulo plus minus negative positive divided multiplied over log logarithm ln sqrt root"
    " roots pi powers power fold base percent percentage pct choose reciprocal inverse"
)
STATEMENTS = _words(
    "or and nor but not no none never neither either unless if when whenever except only than more less fewer greater"
    " smaller larger least most above below under beyond between to through is are was were be isn't aren't wrong"
    " incorrect instead rather alternatively maybe perhaps possibly probably minimum maximum min max bound lower upper"
    " excluded excluding included including fails fail works work holds hold gives satisfies has have"
    " does doesn't do don't otherwise cannot can't could might may should would"
)
OTHER_VALUE = NUMBER_WORDS | OPERATIONS | STATEMENTS | frozenset(MULTIPLES)
"""Any of these beside a number makes it another number, or no number."""

IRREGULAR_PLURALS = _words(
    "people men women children feet teeth geese mice sheep fish deer dice cattle data vertices indices matrices radii"
    " loci foci bacteria criteria persons pieces"
)
_NOT_PLURAL = re.compile(r".*(?:ss|us|is|ous)$")
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]+")
_CJK_STATEMENT = re.compile(r"[不非没無无或和与到至以上下多少半平方立百千万亿倍分]")

_LEADING = (
    "so|thus|hence|therefore|then|which|that|we|get|have|the|my|our|(?-i:a)|an|all|final|correct|answer|answers|value|"
    "result|solution|solutions|number|total|point|pair|ordered|interval|vector|is|are|equals|equal|to|exactly|about|"
    "approximately|approx|roughly|around|precisely|almost|nearly|circa|ca|only|just|definitely|certainly|clearly|"
    "obviously|actually|indeed|finally|there|约|是|为"
)
_LEAD = re.compile(rf"(?:(?:{_LEADING})(?:\s+|$))+", re.IGNORECASE)
_RESTATED = re.compile(
    r"(?:is|are) (?:the|my|our) (?:final )?(?:correct )?(?:answers?|solutions?|results?|values?)"
    r"|(?:is|are) (?:correct|right)"
    r"|(?:in )?total|in all|altogether|respectively|in value|as required|qed|units?|each|approximately|approx|exactly"
)
_EXPLAINS = re.compile(
    r"(?:because|since|as|where|which|so|given|due|hence|thus|therefore|we|i|using|note|for"
    r" (?:any|all|every|each|some)|being|that is|ie|eg)\b"
)
_TAIL = re.compile(
    r"\b(?:of|in|per|for|that|who|which|each|left|every|on|at|from|with|by|remaining|long|wide|tall|high|old|away|apart"
    r"|altogether|total|deep|a|an)\b"
)
_ARTICLES = re.compile(r"\b(?:an?|the)\s+")


def without_lead(words: str) -> str:
    """Without the words that only lead to a value: "the answer is about", "exactly"."""
    match = _LEAD.match(words)
    if match is None:
        return words
    return words[match.end() :].strip()


def explains(words: str) -> bool:
    """Whether they begin an explanation, after which nothing of the answer follows: "because", "where"."""
    return _EXPLAINS.match(words) is not None


def concludes(words: str) -> bool:
    """Whether they announce what follows from the value before them: "so", "hence"."""
    return re.match(r"(?:so|hence|thus|therefore)\b", words) is not None


def is_idle(words: str) -> bool:
    """Whether they say no more than the value before them: "is the answer", "in total"."""
    return not words or _RESTATED.fullmatch(words) is not None


def is_counted(words: str, one: bool) -> bool:
    """Whether they are what was counted, with or without more about it: "apples", "red balls in the box".

    `one` says whether there is one of it, which takes the singular.
    """
    if _CJK.fullmatch(words):
        return not _CJK_STATEMENT.search(words)
    parts = re.split(r"[\s/]+", words)
    if OTHER_VALUE & set(parts):
        return False
    tail = _TAIL.search(words)
    head = (words[: tail.start()] if tail else words).split()
    if not head:
        return tail is not None and len(parts) > 1
    last = head[-1]
    if len(head) > 4 or len(last) < 2:
        return False
    return (
        one or last in IRREGULAR_PLURALS or (len(last) > 3 and last.endswith("s") and not _NOT_PLURAL.fullmatch(last))
    )


def plain(words: str) -> str:
    """The form in which texts are compared: lower case, no articles, no punctuation around."""
    return " ".join(_ARTICLES.sub("", words.casefold() + " ").split()).strip(" .,;:!?\"'`")

r"""Is the chosen option the right one? For questions whose options have letters.

Where the answer stands is the work of `extraction.py`, as for `math`; without a mark it is the last line. It is a
letter that is chosen there ("B", "(b)", "B. Paris", "\text{(B)}", "Rome (B)", "B is correct", "I choose B"; a letter
inside a sentence is no choice) or, where the problem knows its options (metadata "options", in the order in which they
are shown), the text or the value of exactly one of them, which comes first ("E. coli" is no E).
With other words behind it
("B. Rome" where B is Paris) the letter counts: that is what the prompt shows. Two letters are no answer ("A, B", "A, or
possibly B", "A) Paris B) Rome"), nor is one that is denied ("A is wrong").
References are letters, written in any of these ways; shuffled options have theirs already moved along
(`benchmarks/jsonl.py`). An answer that is a letter and the text of another option ("B" where option A says "B") leaves
its response unscored: nobody can know which is meant.
Left out: an option with a full stop inside, said in a sentence ("The answer is E. coli" ends at "E.").
"""

import re
import unicodedata
from collections.abc import Sequence

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.equality import Comparison
from move37.verifiers.exact import normal
from move37.verifiers.extraction import last_lines, marked
from move37.verifiers.reading import read
from move37.verifiers.values import Formula, Letter, Text

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEVERAL = ""
"""What is said instead of a letter where several are chosen, or one is denied."""
LONGEST = 300
"""Characters of an answer that are looked at."""

_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|boldsymbol|bf|rm|boxed)\s*\{([^{}]*)\}")
_MARKUP = re.compile(r"\\[A-Za-z]+|\\.|[$*_`{}\"“”<>#✓✅~]")
_LABEL = re.compile(
    r"\W*?(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Z])\s*[.):\]-](?!\w)|([A-Z])(?=\s*(?:,|$))|([A-Za-z])(?=(?:[^\w]|です|だ|입니다|이다)*$))"
)
_MENTION = re.compile(r"(?<![A-Za-z0-9_'’.-])(?:[(\[]\s*([A-Z])\s*[)\]]|([A-Z])(?![A-Za-z0-9_'’])(?!-\w))")
_OTHER_LABEL = re.compile(
    r"(?:[(\[]\s*([A-Z])\s*[)\]]|(?<!\w)([A-Z])[.)]\s+\w|(?:\bor\b|\band\b|[/,&;])\s*(?:(?:possibly|maybe|perhaps|also|even|option)\s+)*\(?([A-Z])\)?(?!\w))"
)
_ARTICLE = re.compile(r"\s+(?!is\b|are\b|was\b|because\b|since\b|as\b|or\b|and\b|but\b|would\b|seems\b|must\b)[a-z]")
_CHOOSES = re.compile(
    r"(?:\b(?:(?:it|that|answer)['’]s|option|choice|answer|is|be|are|choose|chose|pick|select|with|therefore|thus|hence|so|ist|es|est)|[:=(\[-])\s*$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r".*[,.;:!](?=\s)", re.DOTALL)
_CONFIRMED = re.compile(
    r"\W*(?:$|(?:is|seems|must be|would be)\s+(?:the\s+)?(?:correct|right|best|answer|true)|because|since|as\b)"
)
_DENIED = re.compile(
    r"\b(?:not|isn't|wrong|incorrect|false|cannot|can't|neither|none|except)\b|\bnot\b|n't\b", re.IGNORECASE
)
_SENTENCE = re.compile(r"[.!]\s+(?=[A-Z])")
_EXPLAINED = re.compile(r"[,.;]?\s*(?:\(|\b)(?:because|since|as the|for the reason)\b.*", re.IGNORECASE | re.DOTALL)


class ChoiceVerifier:
    name = "choice"
    version = "4"

    def extract(self, problem: Problem, text: str) -> str | None:
        options = problem.metadata.get("options", ())
        for answer in marked(text):
            found = chosen(answer, options)
            if found is not None:
                return found or None
        line = last_lines(text)
        if not line:
            return None
        found = chosen(line, options)
        if found == SEVERAL:
            found = chosen(_SENTENCE.split(line)[-1], options)  # A is wrong. So B.
        return found or None

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"The answer is ({letter(reference) or reference})."

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        right = [letter(reference) for reference in problem.references]
        if not right or None in right:
            return Verdict(Outcome.UNSCORED, "reference is not a letter" if right else "no reference answer")
        meant = letter_of_text(answer, problem.metadata.get("options", ()))
        if meant is not None and meant != answer:
            return Verdict(Outcome.UNSCORED, "a letter, and another option's text")
        if answer in right:
            return Verdict(Outcome.CORRECT, "matches")
        return Verdict(Outcome.INCORRECT, "differs")


def letter(text: str) -> str | None:
    """The letter, A to Z, of the option that `text` chooses; None where it chooses none, or several ("A, B")."""
    return chosen(text, ()) or None


def chosen(text: str, options: Sequence[str]) -> str | None:
    """The letter that `text` chooses; `SEVERAL` where that is no single one, None where it speaks of none."""
    shown = set(LETTERS[: len(options)] or LETTERS)
    if normal(_plain(text)).strip("() ").upper() not in shown:
        named = letter_of_text(text, options)
        if named:
            return named
    plain = _EXPLAINED.sub("", _plain(text)[:LONGEST]).strip()
    label = _LABEL.match(plain)
    if label:
        first = next(group for group in label.groups() if group).upper()
        if first in shown:
            others = {next(filter(None, each.groups())) for each in _OTHER_LABEL.finditer(plain, label.end())}
            if others & shown - {first}:
                return SEVERAL
            return SEVERAL if _DENIED.match(plain, label.end()) else first
    mentions = [each for each in _MENTION.finditer(plain) if _is_mention(each, plain) and (each[1] or each[2]) in shown]
    distinct = {each[1] or each[2] for each in mentions}
    if not mentions:
        return letter_of_value(text, options)
    if len(distinct) > 1 or _DENIED.search(plain):
        return SEVERAL
    if any(_is_chosen(each, plain) for each in mentions):
        return distinct.pop()
    return letter_of_value(text, options)


def _is_mention(mention: re.Match[str], text: str) -> bool:
    """Whether a capital letter is no article and no pronoun."""
    return mention[1] is not None or mention[2] not in "AI" or not _ARTICLE.match(text, mention.end())


def _is_chosen(mention: re.Match[str], text: str) -> bool:
    before = text[: mention.start()]
    return bool(
        mention[1]
        or _CHOOSES.search(before)
        or (not _CLAUSE.sub("", before).strip(" (") and _CONFIRMED.match(text, mention.end()))
    )


def letter_of_text(text: str, options: Sequence[str]) -> str | None:
    """The letter of the only option whose text is `text`, up to case, spaces and markup; None without one."""
    if not options:
        return None
    wanted = _comparable(text)
    found = [LETTERS[place] for place, option in enumerate(options) if _comparable(option) == wanted]
    return found[0] if len(found) == 1 else None


def letter_of_value(text: str, options: Sequence[str]) -> str | None:
    """The letter of the only option with the value of `text`: 0.5 where an option says 1/2."""
    if not options or len(text) > LONGEST:
        return None
    given = read(text)
    if isinstance(given, (Text, Formula, Letter)):
        return None
    compare = Comparison(lambda a, b: False)
    found = [LETTERS[place] for place, option in enumerate(options) if compare.equal(read(option), given)]
    return found[0] if len(found) == 1 else None


def _plain(text: str) -> str:
    """Without markup."""
    text = unicodedata.normalize("NFKC", text[: 4 * LONGEST])
    for _ in range(3):
        text = _TEXT.sub(r"\1", text)
    return " ".join(_MARKUP.sub(" ", text).split()).strip()


def _comparable(text: str) -> str:
    return normal(_TEXT.sub(r"\1", text))

"""A verifier's name and its options -> the verifier. The one place where verifiers are made.

A verifier's options are the keyword arguments of its class. A study gives them as `[verification.options.NAME]`, a
command as `--option NAME.KEY=VALUE`; what changes verdicts goes into the verifier's version, so that verdicts made
with other options are never mixed. A name with a colon is a user's own function or class: "grader.py:grade",
"grader.py:Strict", the class's options under that same name (`[verification.options."grader.py:Strict"]`).
Left out: two members of one kind with different options in one study.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from pydantic import ValidationError, create_model

from move37.config import Settings, VerificationConfig, describe_validation_error
from move37.errors import ConfigError, InputError, UsageError
from move37.registry import Source
from move37.verifiers import CODE, FUNCTION, VERIFIERS, Verifier
from move37.verifiers.function import FORM
from move37.verifiers.old_names import with_new_names
from move37.verifiers.source import SourceVerifier

_ANY_NUMBER = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def make_verifier(name: str, settings: VerificationConfig | None = None) -> Verifier:
    """The verifier called `name`, or of a user's own function or class ("grader.py:grade"), with its options.

    Raises UnknownNameError, MissingExtraError, ConfigError for an option, InputError for what is the user's own.
    """
    settings = settings or VerificationConfig.model_validate({})
    if name in VERIFIERS.table:
        unsafe = {"isolated": False} if name == CODE and settings.unsafe_local else {}
        return _made(name, VERIFIERS.load(name), settings.options.get(name, {}) | unsafe)
    if ":" not in name:
        return _known_by_its_name(name, _made(name, VERIFIERS.load(name), settings.options.get(name, {})))
    source = Source.parse("verifier", name, FORM)
    if not isinstance(getattr(source.module(), source.attribute, None), type):
        return _made(FUNCTION, VERIFIERS.load(FUNCTION), settings.options.get(FUNCTION, {}) | {"source": name})
    options = settings.options.get(name, settings.options.get(source.full, {}))
    checked = _checked(name, VERIFIERS.load(name), options)
    return _usable(name, _constructed(name, lambda: SourceVerifier(source, checked)))


def check_options(settings: VerificationConfig) -> None:
    """Refuse options of verifiers that do not exist, and options that a verifier does not have. Raises UsageError."""
    for name, options in settings.options.items():
        kind = VERIFIERS.load(name)
        if not isinstance(kind, type):
            raise ConfigError(f"verification.options.{name}: a function has no options; a class has its arguments")
        _checked(name, kind, options, partial=True)


def _made(name: str, kind: Any, options: Mapping[str, Any]) -> Verifier:
    checked = _checked(name, kind, options)
    return _constructed(name, lambda: kind(**checked))


def _constructed(name: str, make: Callable[[], Verifier]) -> Verifier:
    """What `make` makes. Of a class of move37's own only ValueError is about an option; others may raise anything."""
    try:
        return make()
    except UsageError:
        raise
    except ValueError as error:
        raise ConfigError(f"verification.options.{name}.{error}") from None
    except Exception as error:
        if name in VERIFIERS.table:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"verifier {name!r} cannot be made ({reason})") from error


def _known_by_its_name(name: str, verifier: Verifier) -> Verifier:
    """An installed package's verifier, whose verdicts must not be taken for another's."""
    if getattr(verifier, "name", None) != name:
        raise InputError(f"verifier {name!r}: its class calls itself {getattr(verifier, 'name', None)!r}; see `name`")
    return _usable(name, with_new_names(verifier))


def _usable(name: str, verifier: Verifier) -> Verifier:
    """A verifier from outside whose name and version can be those of a folder, where its verdicts are kept."""
    for key in ("name", "version"):
        value = getattr(verifier, key, None)
        if not (isinstance(value, str) and re.fullmatch(r"[\w+][\w+.,=-]*", value)):
            raise InputError(f"verifier {name!r}: {key} {value!r} has to be of letters, digits and any of + . , = -")
    return verifier


def with_options(
    settings: VerificationConfig, assignments: Sequence[str], unsafe_local: bool = False
) -> VerificationConfig:
    """`settings` with the options of a command, each "NAME.KEY=VALUE". Raises InputError and as `check_options`.

    A value is JSON where it can be read as JSON, and a text otherwise.
    """
    options = {name: dict(own) for name, own in settings.options.items()}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        name, _, key = path.rpartition(".")  # a name may be "grader.py:Strict"
        if not (name and key and equals):
            raise InputError(
                f"--option {assignment}: write it as NAME.KEY=VALUE, as in numeric.relative_tolerance=0.01"
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        options.setdefault(name, {})[key] = value
    joined = settings.model_copy(update={"options": options, "unsafe_local": settings.unsafe_local or unsafe_local})
    check_options(joined)
    return joined


def _checked(name: str, kind: type, options: Mapping[str, Any], partial: bool = False) -> dict[str, Any]:
    """The options in their types; with `partial`, some that are needed may be missing."""
    try:
        parameters = signature(kind, eval_str=True).parameters
    except (NameError, ValueError, TypeError) as error:
        raise ConfigError(f"verification.options.{name}: its arguments cannot be read ({error})") from None
    parameters = {key: each for key, each in parameters.items() if each.kind not in _ANY_NUMBER}
    if options and not parameters:
        raise ConfigError(f"verification.options.{name}: this verifier has no options")
    fields: Any = {
        key: (
            Any if each.annotation is Parameter.empty else each.annotation,
            None if partial else ... if each.default is Parameter.empty else each.default,
        )
        for key, each in parameters.items()
    }
    model = create_model("Options", __base__=Settings, **fields)
    try:
        given = model.model_validate(options)
    except ValidationError as error:
        reason = describe_validation_error(error, model)
        raise ConfigError(f"verification.options.{name}.{reason}") from None
    return {key: getattr(given, key) for key in parameters}

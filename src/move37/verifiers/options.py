"""A verifier's name and its options -> the verifier. The one place where verifiers are made.

A verifier's options are the keyword arguments of its class. A study gives them as `[verification.options.NAME]`, a
command as `--option NAME.KEY=VALUE`; what changes verdicts goes into the verifier's version, so that verdicts made
with other options are never mixed. A name with a colon is a user's own function: "grader.py:grade".
Left out: two members of one kind with different options in one study.
"""

import json
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from pydantic import ValidationError, create_model

from move37.config import Settings, VerificationConfig, describe_validation_error
from move37.errors import ConfigError, InputError, UsageError
from move37.verifiers import CODE, FUNCTION, VERIFIERS, Verifier


def make_verifier(name: str, settings: VerificationConfig | None = None) -> Verifier:
    """The verifier called `name`, or of a user's own function ("grader.py:grade"), with its options in `settings`.

    Raises UnknownNameError, MissingExtraError, ConfigError for an option, InputError for a function.
    """
    settings = settings or VerificationConfig.model_validate({})
    source = {"source": name} if ":" in name else {}
    name = FUNCTION if source else name
    unsafe = {"isolated": False} if name == CODE and settings.unsafe_local else {}
    kind = VERIFIERS.load(name)
    options = _checked(name, kind, settings.options.get(name, {}) | source | unsafe)
    try:
        return kind(**options)
    except UsageError:
        raise
    except ValueError as error:
        raise ConfigError(f"verification.options.{name}.{error}") from None


def check_options(settings: VerificationConfig) -> None:
    """Refuse options of verifiers that do not exist, and options that a verifier does not have. Raises UsageError."""
    for name, options in settings.options.items():
        kind = VERIFIERS.load(name)
        _checked(name, kind, options, partial=True)


def with_options(
    settings: VerificationConfig, assignments: Sequence[str], unsafe_local: bool = False
) -> VerificationConfig:
    """`settings` with the options of a command, each "NAME.KEY=VALUE". Raises InputError and as `check_options`.

    A value is JSON where it can be read as JSON, and a text otherwise.
    """
    options = {name: dict(own) for name, own in settings.options.items()}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        name, _, key = path.partition(".")
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
    parameters = signature(kind, eval_str=True).parameters
    if options and not parameters:
        raise ConfigError(f"verification.options.{name}: this verifier has no options")
    fields: Any = {
        key: (each.annotation, None if partial else ... if each.default is Parameter.empty else each.default)
        for key, each in parameters.items()
    }
    model = create_model("Options", __base__=Settings, **fields)
    try:
        given = model.model_validate(options)
    except ValidationError as error:
        reason = describe_validation_error(error, model)
        raise ConfigError(f"verification.options.{name}.{reason}") from None
    return {key: getattr(given, key) for key in parameters}

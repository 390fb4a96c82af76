"""The commands, in the order of the help; loading one of these files adds its commands to the application."""

from move37.commands import studies  # noqa: I001 - the order of the help
from move37.commands import reading, observing
from move37.commands import exchange, watching, checks, guessing, lab
from move37.commands.application import DEBUG, app
from move37.commands.checks import REGISTRIES, members

for each in app.registered_commands:
    each.epilog = DEBUG

__all__ = ["REGISTRIES", "app", "checks", "exchange", "guessing", "lab", "members", "observing", "reading", "studies"]
__all__ += ["watching"]

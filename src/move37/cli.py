"""The command line: arguments in, an exit code and one line or one JSON object out. The commands are in `commands/`.

With --json, wherever it stands, one JSON object goes to standard output and nothing else, however the command ends:
{"command", "ok", ...figures}, for `compare` the comparison alone; after an error {"command", "ok": false, "error",
"exit_code"}; for --help {"command", "ok", "help"}. Exit codes: 0 done, 1 the run failed, 2 bad usage or input, 130
interrupted, 143 terminated (a scheduler's SIGTERM). Errors are one line on standard error; --debug adds the traceback.
"""

import io
import json
import os
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext, redirect_stdout

import typer
from typer.exceptions import TyperException

from move37.commands import REGISTRIES, app, members
from move37.console import complain
from move37.errors import Move37Error, described
from move37.interrupts import Terminated, end_at_once, raise_from_now_on
from move37.threads import let_threads_sleep

__all__ = ["REGISTRIES", "app", "main", "members"]

ON_WINDOWS = frozenset(
    ("analyse", "audit", "compare", "export", "labels", "list", "plan", "published", "report", "show", "status", "view")
)
"""Commands that read runs and counts. The others sample, judge or train, in processes that only POSIX can limit."""
NOT_ON_WINDOWS = (
    "move37 {name} needs Linux or macOS (limits of processes, sandboxes); on Windows run it in WSL. "
    f"Without WSL there are: {', '.join(sorted(ON_WINDOWS))}"
)


def main() -> None:
    """Entry point: every end becomes an exit code, an error one line, and under --json all of it one JSON object."""
    let_threads_sleep()
    end_at_once()
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments, switches = _without_switches(sys.argv[1:])
    as_json, debug = "--json" in switches, "--debug" in switches
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    if sys.platform == "win32" and name is not None and name not in ON_WINDOWS:
        sys.exit(complain(NOT_ON_WINDOWS.format(name=name), 2)[1])
    if as_json and name is not None:
        arguments.insert(arguments.index(name) + 1, "--json")
    printed = io.StringIO()
    with redirect_stdout(printed if as_json else sys.stdout):
        line, code = _ended(arguments, debug, needs_command=as_json)
    try:
        if as_json:
            print(_as_one_object(name, printed.getvalue(), line, code))
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        code = _lost_output(error)
    sys.exit(code)


def _without_switches(arguments: list[str]) -> tuple[list[str], set[str]]:
    """The arguments without --json and --debug, which may stand anywhere before a "--", and those that were there."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    switches = {"--json", "--debug"}
    kept = [argument for argument in arguments[:end] if argument not in switches]
    return kept + arguments[end:], switches.intersection(arguments[:end])


def _ended(arguments: list[str], debug: bool, needs_command: bool) -> tuple[str | None, int]:
    """Run the command; the line that was said about an error, None where there was none, and the exit code.

    Without a command people are told how to begin; a program, which `needs_command`, is told that there is none.
    """
    if needs_command and not arguments:
        return complain("no command given; `move37 --help` lists them", 2)
    try:
        with _with_local_copies(arguments) as arguments:
            code = app(arguments, standalone_mode=False)
        code = code if isinstance(code, int) else 0
        if code != 130:  # typer's word for a keyboard interrupt
            return None, code
        return complain("interrupted; what was finished is kept, the same command continues", 130)
    except SystemExit as error:  # Rich's answer to a closed pipe
        return None, error.code if isinstance(error.code, int) else 1
    except Terminated:
        return complain("terminated; what was finished is kept, the same command continues", 143)
    except (KeyboardInterrupt, typer.Abort):
        return complain("interrupted; what was finished is kept, the same command continues", 130)
    except BrokenPipeError as error:
        return None, _lost_output(error)
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, Move37Error | TyperException):
            return complain(str(error), error.exit_code)
        line, code = described(error) or (
            f"{type(error).__name__}: {error} (a defect of move37; --debug shows where)",
            1,
        )
        return complain(line, code)
    finally:
        raise_from_now_on()


def _with_local_copies(arguments: list[str]) -> AbstractContextManager[list[str]]:
    """The arguments, with a folder of this machine in the place of a run's URL."""
    if not any(":" in argument for argument in arguments):
        return nullcontext(arguments)
    from move37.remote import local_copies

    if any("memory://" in argument for argument in arguments):
        print("move37: what is at memory:// ends with this command; s3:// and others keep it", file=sys.stderr)
    return local_copies(arguments)


def _as_one_object(name: str | None, printed: str, line: str | None, code: int) -> str:
    """The one JSON object: what the command printed, the help that was asked for, or what went wrong."""
    if line is not None:
        return json.dumps({"command": name, "ok": False, "error": line, "exit_code": code})
    # What a library printed on the way is not ours: the figures are the last line.
    last = printed.rstrip("\n").rpartition("\n")[2]
    return last if last.startswith("{") else json.dumps({"command": name, "ok": code == 0, "help": printed})


def _lost_output(error: OSError) -> int:
    """Nobody reads any more (silence), or the output cannot be written (a line). What is left is thrown away."""
    if not isinstance(error, BrokenPipeError):
        complain(f"standard output cannot be written: {error.strerror or error}", 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1

"""`python -m move37` and the installed command: the command line, and what interrupts it while it is being loaded."""

from move37.interrupts import end_at_once


def main() -> None:
    """Load the commands and run the one that was asked for."""
    end_at_once()
    from move37.cli import main as command_line  # here: an interrupt while this loads is answered

    command_line()


if __name__ == "__main__":
    main()

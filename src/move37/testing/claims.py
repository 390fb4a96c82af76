"""How a contract test says what is not kept."""


def require(holds: bool, message: str) -> None:
    """Raises AssertionError with `message` unless it holds; unlike `assert`, under `python -O` too."""
    if not holds:
        raise AssertionError(message)

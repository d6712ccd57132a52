"""How a verb gives up."""

FAILED = 1
USAGE = 2


class CliError(Exception):
    """One sentence for the person at the terminal; no traceback follows. `exit_code` 2 is a wrong command line."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code

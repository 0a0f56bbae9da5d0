"""Errors that are the user's to mend: exit status 2, no traceback."""

from models.errors import InputError


class UserError(InputError):
    """The user's input is wrong; the text is the whole message, with file:line:column where known.

    key  dotted key of the configuration that is to blame, where only the caller knows in which line of which file that stands
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key

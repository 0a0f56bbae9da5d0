"""Errors that are the user's to mend: exit status 2, no traceback."""

from models.errors import InputError


class UserError(InputError):
    """The user's input is wrong; the text is the whole message, with file:line:column where known."""

"""Errors about the user's input."""


class InputError(Exception):
    """The input is wrong; the text is the whole message for the user, with file and line where known."""

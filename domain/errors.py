"""The root of every refusal that a person or a program is meant to read."""


class PlumblineError(Exception):
    """A refusal in one line: what is wrong and what to do; `code` is for machines."""

    code = "error"

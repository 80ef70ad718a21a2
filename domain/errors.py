"""The root of every refusal that a person or a program is meant to read."""


class PlumblineError(Exception):
    """A refusal in one line: what is wrong and what to do; `code` is for machines."""

    code = "error"


# What a plug-in's mistakes raise. A time limit, a lost database or a kill is none of them.
PLUGIN_FAULTS = (
    PlumblineError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)

"""Facts are written once: the database itself refuses to change or delete them."""

import pgtrigger


def append_only(name: str = "append_only") -> pgtrigger.Protect:
    """Return the trigger that refuses UPDATE and DELETE on a table of facts."""
    return pgtrigger.Protect(name=name, operation=pgtrigger.Update | pgtrigger.Delete)

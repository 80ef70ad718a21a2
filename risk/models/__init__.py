"""Tables of the risk floor."""

from risk.models.control import Control, Halt
from risk.models.decisions import Decision
from risk.models.profiles import Profile

__all__ = ["Control", "Decision", "Halt", "Profile"]

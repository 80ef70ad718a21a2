"""Rows of the risk floor, for reading."""

from marketdata.api.read_only import facts_of
from risk.models import Control, Decision, Halt, Profile

ControlSerializer = facts_of(Control)
DecisionSerializer = facts_of(Decision)
HaltSerializer = facts_of(Halt)
ProfileSerializer = facts_of(Profile)

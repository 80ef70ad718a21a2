"""Read views of the risk floor."""

from marketdata.api.read_only import view_of
from risk.api import serializers

ProfileView = view_of(serializers.ProfileSerializer, lookup="name")
ControlView = view_of(serializers.ControlSerializer)
HaltView = view_of(serializers.HaltSerializer, words=("actor",))
DecisionView = view_of(serializers.DecisionSerializer)

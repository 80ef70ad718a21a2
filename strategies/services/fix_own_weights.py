"""A strategy's own weights as rows of the record, so that its scores can be traced like any."""

import hashlib

from mlweights.models import WeightVersion
from mlweights.services.propose_version import fix_weights
from strategies.bots.base import BadBotParametersError
from strategies.bots.registry import RegisteredStrategy


def fix_own_weights(*, name: str, strategy: RegisteredStrategy) -> str:
    """Return the source of the strategy's weights, their rows stored: '' for the learned ones.

    The source bears a hash of the weights: other parameters or code, other rows.
    """
    sets = strategy.weight_sets()
    if not sets:
        return ""
    if "" not in sets or len({weights.names for weights in sets.values()}) != 1:
        raise BadBotParametersError(
            f"strategy '{name}' must have weights for any regime (''), all over the same names"
        )
    text = "".join(f"{regime}={sets[regime].to_json()}" for regime in sorted(sets))
    source = f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"[-40:]
    if WeightVersion.objects.filter(group=source).count() < len(sets):
        fix_weights(source=source, weight_sets=sets)
    return source

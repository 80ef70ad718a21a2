"""Change a set of limits, with a record of who changed what."""

from django.db import transaction
from django.forms.models import model_to_dict

from domain.bus import publish
from domain.events import Audited
from risk.models import Profile


def change_profile(*, profile: Profile, actor: str) -> Profile:
    """Store the profile as it is now; the audit chain keeps what it was before."""
    with transaction.atomic():
        stored = Profile.objects.select_for_update().filter(pk=profile.pk).first()
        before = model_to_dict(stored) if stored else {}
        profile.save()
        after = model_to_dict(profile)
        changed = {
            name: {"from": before.get(name), "to": value}
            for name, value in after.items()
            if before.get(name) != value
        }
        if changed:
            publish(
                Audited(
                    shard=0,
                    actor=actor,
                    action="limits_changed",
                    subject=profile.name,
                    detail=changed,
                )
            )
    return profile

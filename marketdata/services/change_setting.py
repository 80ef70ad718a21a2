"""Store a row that a person sets, with a record of who changed what."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models, transaction

from domain.bus import publish
from domain.events import Audited


def change_setting(
    *,
    row: models.Model,
    fields: Sequence[str],
    actor: str,
    related: Mapping[str, Sequence[models.Model]],
) -> None:
    """Store these columns of the row and what it is `related` to; the audit chain keeps both.

    Other columns of a stored row stay as they are: a feed may be writing them at this moment.
    """
    kind = type(row)
    with transaction.atomic():
        stored = kind._default_manager.select_for_update().filter(pk=row.pk).first()
        changed: dict[str, Any] = {}
        for name in fields:
            column: Any = kind._meta.get_field(name)
            before = column.value_from_object(stored) if stored else None
            after = column.value_from_object(row)
            if before != after:
                changed[name] = {"from": before, "to": after}
        if stored is None:
            row.save()
        else:
            row.save(update_fields=fields)
        for name, rows in related.items():
            manager = getattr(row, name)
            former, chosen = ({str(one) for one in some} for some in (manager.all(), rows))
            manager.set(rows)
            if former != chosen:
                added, removed = sorted(chosen - former), sorted(former - chosen)
                changed[name] = {"added": added, "removed": removed}
        if changed:
            publish(
                Audited(
                    shard=0,
                    actor=actor,
                    action="setting_changed",
                    subject=f"{kind._meta.verbose_name} {row}",
                    detail=changed,
                )
            )

"""Column kinds of the money floor: exact, bounded, never a float."""

from typing import Any

from django.db import models


def quantity_column(**options: Any) -> models.DecimalField:
    """Return a column for an amount of an instrument."""
    return models.DecimalField(max_digits=30, decimal_places=10, **options)


def cash_column(**options: Any) -> models.DecimalField:
    """Return a column for whole 1e-8 of a currency."""
    return models.DecimalField(max_digits=30, decimal_places=8, **options)

"""Roles: four Django groups, each of which may do all that the ones before it may."""

from enum import IntEnum
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User

Person = AbstractBaseUser | AnonymousUser


class Role(IntEnum):
    """What a signed-in person may do at most; compare with < and >=."""

    VIEWER = 1
    TRADER = 2
    RISK_MANAGER = 3
    ADMIN = 4

    @property
    def group(self) -> str:
        """Return the name of the role's group."""
        return self.name.lower().replace("_", " ")


GROUPS = {role.group: role for role in Role}


def role_of(person: Person) -> Role | None:
    """Return the highest role of the person, None when nobody is signed in.

    A superuser is admin; who belongs to none of the four groups may only look.
    """
    if not isinstance(person, User) or not person.is_active:
        return None
    if person.is_superuser:
        return Role.ADMIN
    names = person.groups.values_list("name", flat=True)
    return max((GROUPS[name] for name in names if name in GROUPS), default=Role.VIEWER)


def has_role(person: Person, needed: Role) -> bool:
    """Tell whether the person may do what `needed` may."""
    role = role_of(person)
    return role is not None and role >= needed


def write_groups(*, using: str, **_: Any) -> None:
    """Keep the four groups as rows; connected to post_migrate."""
    known = set(Group.objects.using(using).values_list("name", flat=True))
    missing = [Group(name=role.group) for role in Role if role.group not in known]
    Group.objects.using(using).bulk_create(missing, ignore_conflicts=True)

"""Roles: who reaches what."""

from django.contrib.auth.models import AnonymousUser, User

from tradingsite.access.roles import Role, has_role, role_of


def test_groups_when_migrated_are_the_four_roles(everybody: dict[str, User]) -> None:
    assert {name: role_of(user) for name, user in everybody.items()} == {
        "nobody": Role.VIEWER,
        "viewer": Role.VIEWER,
        "trader": Role.TRADER,
        "risk manager": Role.RISK_MANAGER,
        "admin": Role.ADMIN,
        "superuser": Role.ADMIN,
    }


def test_role_when_not_signed_in_or_inactive_is_none(everybody: dict[str, User]) -> None:
    left = everybody["superuser"]
    left.is_active = False
    assert (role_of(AnonymousUser()), role_of(left)) == (None, None)
    assert not has_role(AnonymousUser(), Role.VIEWER)

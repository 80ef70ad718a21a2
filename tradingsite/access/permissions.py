"""Who may call what: a view names the role it needs, and one that names none is closed."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tradingsite.access.roles import GROUPS, has_role

# The floors below know roles only as these words.
READER = "viewer"


class RolePermission(BasePermission):
    """Opens a view to the people whose role reaches its `required_role`.

    `required_role` is a role's word; an action may name its own with the decorator's argument.
    """

    message = "your role does not reach that far"
    code = "forbidden"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether this person may call the view."""
        needed = GROUPS.get(getattr(view, "required_role", ""))
        return needed is not None and has_role(request.user, needed)

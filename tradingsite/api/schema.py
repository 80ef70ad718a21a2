"""The OpenAPI description: every address says that its errors are problems."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema

from tradingsite.access.problems import CONTENT_TYPE
from tradingsite.api.problem_serializer import ProblemSerializer


class DeskSchema(AutoSchema):
    """Adds the problem body as the answer of every status not listed."""

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        problem = self._get_response_for_code(
            ProblemSerializer, "default", media_types=[CONTENT_TYPE], direction=direction
        )
        return {**bodies, "default": {**problem, "description": "What went wrong."}}

"""Containers go: by our word, or already by themselves."""

from contextlib import suppress
from typing import Any

GONE_S = 10.0
"""How long the engine may take to finish a removal that it had begun by itself."""


def removed(container: Any, within_s: float | None = None) -> None:
    """Returns when the container is gone, or when the engine does not answer; it may be at it already by itself.

    `within_s` is for those that take longer than `GONE_S` to go.
    """
    from docker.errors import APIError, NotFound
    from requests.exceptions import RequestException

    try:
        container.remove(force=True)
    except NotFound:
        return
    except (APIError, RequestException):
        with suppress(APIError, RequestException):
            container.wait(condition="removed", timeout=within_s or GONE_S)

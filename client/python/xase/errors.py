"""What goes wrong, and how it is told."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional


class XaseError(Exception):
    """A record that was not taken, or what became of one that was.

    message      for people
    code         one of the SDK's codes, or of ours; see the README
    status_code  the API's HTTP status; None where it has not answered
    details      what the API says of the flaw; for a refused value {"path": ..., "reason": ...};
                 for a record that was taken {"producer_id": ..., "sequence": ...}; else None
    """

    def __init__(self, message: str, code: str, status_code: Optional[int] = None,
                 details: Any = None) -> None:
        super().__init__(message, code, status_code, details)
        self.message = message
        self.code = code
        self.status_code = status_code
        self.details = details

    def __str__(self) -> str:
        status = "" if self.status_code is None else f" (HTTP {self.status_code})"
        return f"[{self.code}] {self.message}{status}"


class XaseWarning(UserWarning):
    """Something that the app says and that has no effect: an option, a field, a key."""

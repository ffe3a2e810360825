"""What the extension asks Python for: off the hot path, all of it."""

from __future__ import annotations

import sys

from ._convert import plain
from .errors import XaseError, XaseWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Optional

    from .types import RecordResult

__all__ = ["as_object", "as_payload", "fail", "outcome", "plain", "refuse", "tell_unknown",
           "trace_ids", "warn"]

_FIELDS = frozenset((
    "policy", "input", "output", "confidence", "context", "transaction_id", "policy_version",
    "decision_type", "processing_time", "store_payload", "model_id", "model_version", "model_hash",
    "feature_schema_hash", "explanation"))
_OBJECT_CODES = {"input": "INVALID_INPUT", "output": "INVALID_OUTPUT", "context": "INVALID_CONTEXT",
                 "explanation": "INVALID_EXPLANATION"}
# What became of a record that was taken.
_TAKEN = frozenset(("TIMEOUT", "REJECTED", "REQUEST_FAILED", "UNKNOWN_ERROR"))
_told: set[object] = set()


def fail(code: str, message: str) -> NoReturn:
    raise XaseError(message, code)


def warn(what: str, once: object, level: int = 3) -> None:
    """Warns, once a process for each `once`, of the line `level` frames above."""
    if once in _told:
        return
    _told.add(once)
    import warnings

    warnings.warn(what, XaseWarning, stacklevel=level)


def as_object(value: Any) -> dict[Any, Any]:
    """The dict that a field becomes; TypeError where it is no object."""
    if isinstance(value, dict):
        return dict(value.items())
    found = plain(value)
    if isinstance(found, dict):
        return found
    raise TypeError("is not an object")


def as_payload(value: Any) -> dict[Any, Any]:
    try:
        return as_object(value)
    except TypeError:
        raise XaseError("a payload is a dict, another mapping or a dataclass instance, not "
                        f"{type(value).__name__}", "INVALID_ARGUMENT") from None


def _path_of(field: str, steps: list[Any]) -> str:
    path = field
    for step in reversed(steps):
        if isinstance(step, int) and not isinstance(step, bool):
            path += f"[{step}]"
        elif isinstance(step, str) and step.isidentifier():
            path += "." + step
        else:
            path += f"[{ascii(step)}]"
    return path


def refuse(field: str, steps: list[Any], reason: str, cause: Optional[BaseException]) -> NoReturn:
    """Raises the error for a value that cannot be recorded; `steps` lead from it to the field.
    What is no Exception (a KeyboardInterrupt) goes on as it is."""
    if cause is not None and not isinstance(cause, Exception):
        raise cause
    if not reason and isinstance(cause, (TypeError, ValueError)):
        reason = str(cause)
    elif not reason:
        reason = f"cannot be read: {type(cause).__name__}: {cause}"
    path = _path_of(field, steps)
    raise XaseError(f"{path} {reason}", _OBJECT_CODES[field],
                    details={"path": path, "reason": reason}) from cause


def tell_unknown(payload: Any) -> None:
    for name in payload:
        if name not in _FIELDS:
            warn(f"a record has no field {name!r}: it is passed over", ("field", str(name)))


def trace_ids() -> Optional[tuple[str, str]]:
    """Trace and span id of OpenTelemetry's active span, in hexadecimal as W3C Trace Context has
    them."""
    trace = sys.modules.get("opentelemetry.trace")
    try:
        span = trace.get_current_span().get_span_context()  # type: ignore[union-attr]
        if not span.is_valid:
            return None
        return f"{span.trace_id:032x}", f"{span.span_id:016x}"
    except Exception:  # another library's trouble must not cost a record
        return None


def error_of(code: str, status: int, answer: str, message: str, producer_id: str,
             sequence: int) -> XaseError:
    """The error for a record that failed; `answer` is the API's, or a text of the daemon's."""
    details: Any = None
    if code in _TAKEN and sequence:
        details = {"producer_id": producer_id, "sequence": sequence}
    if status == 0 or not answer:
        return XaseError(message or answer or code, code, status or None, details)
    import json

    try:
        body = json.loads(answer)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return XaseError(message or f"the API answered HTTP {status}", code, status, answer)
    return XaseError(str(body.get("error") or message or f"the API answered HTTP {status}"),
                     str(body.get("code") or code), status, body.get("details", body))


def result_of(answer: str) -> RecordResult:
    """The API's answer as it came."""
    import json

    try:
        result: RecordResult = json.loads(answer)
    except ValueError:
        raise XaseError("the API's answer is not JSON", "UNKNOWN_ERROR", details=answer) from None
    return result


def outcome(code: str, status: int, answer: str, message: str, producer_id: str, sequence: int,
            taken: bool, replayed: bool) -> RecordResult:
    """What a synchronous record() returns or raises."""
    if code == "OK":
        return result_of(answer)
    if not taken:
        raise XaseError(message, code)
    raise error_of(code, status, answer if status else "", message, producer_id, sequence)

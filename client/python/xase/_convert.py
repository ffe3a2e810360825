"""Values that JSON does not have, as values that it has."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Found once a type, of those that live as long as their module.
_known: dict[type, Callable[[Any], Any]] = {}
_KNOWN_MAX = 1024


def plain(value: Any) -> Any:
    """`value` one step nearer to JSON: its parts may need the same. TypeError or ValueError, whose
    text goes on after the value's path, where there is no way."""
    kind = type(value)
    convert = _known.get(kind)
    if convert is None:
        convert = _find(kind)
        if "<locals>" not in kind.__qualname__ and len(_known) < _KNOWN_MAX:
            _known[kind] = convert
    return convert(value)


def _loaded(module: str, name: str) -> tuple[type, ...]:
    """A class, for isinstance(): nobody has an instance where its module was never imported."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) else ()


def _find(kind: type) -> Callable[[Any], Any]:
    if issubclass(kind, dict):
        return lambda value: dict(value.items())
    if issubclass(kind, _loaded("enum", "Enum")):
        return lambda value: value.value
    for name in ("datetime", "date", "time"):
        if issubclass(kind, _loaded("datetime", name)):
            return lambda value: value.isoformat()
    if issubclass(kind, _loaded("decimal", "Decimal")):
        return _decimal
    if issubclass(kind, _loaded("uuid", "UUID")):
        return str
    if issubclass(kind, _loaded("numpy", "generic")):
        return _numpy_scalar
    if hasattr(kind, "__dataclass_fields__"):
        return _dataclass
    if issubclass(kind, _loaded("collections.abc", "Mapping")):
        return lambda value: {key: value[key] for key in value}
    return _refuse


def _decimal(value: Any) -> str:
    """As text: no digit is lost, whatever reads it."""
    if not value.is_finite():
        raise ValueError(f"is {value}, which JSON does not have")
    return str(value)


def _numpy_scalar(value: Any) -> Any:
    if value.dtype.kind in "mM":
        if str(value) == "NaT":
            raise ValueError("is NaT, which JSON does not have")
        return str(value)
    item = value.item()
    if isinstance(item, (bool, int, float, str)):
        return item
    raise TypeError(f"is a {type(value).__module__}.{type(value).__name__}, "
                    "which JSON does not have")


def _dataclass(value: Any) -> dict[str, Any]:
    import dataclasses

    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


_HINTS = {"ndarray": "; give its tolist()", "set": "; give a sorted list",
          "frozenset": "; give a sorted list", "bytes": "; give a text, like its hex()"}


def _refuse(value: Any) -> Any:
    name = type(value).__name__
    raise TypeError(f"is of type {name}, which cannot be recorded{_HINTS.get(name, '')}")

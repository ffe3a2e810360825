"""@client.evidence(...): a function whose calls are recorded."""

from __future__ import annotations

import functools
import inspect
import sys
import time

from .errors import XaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .client import XaseClient

_FIELDS = ("policy_version", "decision_type", "store_payload", "model_id", "model_version",
           "model_hash", "feature_schema_hash")
_OPTIONS = frozenset((*_FIELDS, "exclude", "confidence", "context", "transaction_id", "input",
                      "output", "strict"))


def decorator(client: XaseClient, policy: str,
              options: dict[str, Any]) -> Callable[[Any], Any]:
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise XaseError(f"evidence() has no option {unknown[0]!r}", "INVALID_ARGUMENT")
    if not isinstance(policy, str) or not policy:
        raise XaseError("policy is required", "MISSING_POLICY")

    def decorate(function: Any) -> Any:
        recorder = _Recorder(client, policy, options, function)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise XaseError("evidence() records calls that end: not those of a generator",
                            "INVALID_ARGUMENT")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def recorded_async(*args: Any, **kwargs: Any) -> Any:
                call = recorder.begin(args, kwargs)
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    recorder.end_badly(call, error)
                    raise
                recorder.end(call, result)
                return result

            return recorded_async

        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            call = recorder.begin(args, kwargs)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                recorder.end_badly(call, error)
                raise
            recorder.end(call, result)
            return result

        return recorded

    return decorate


class _Recorder:
    def __init__(self, client: XaseClient, policy: str, options: dict[str, Any],
                 function: Any) -> None:
        self._client = client
        self._options = options
        self._strict = bool(options.get("strict", False))
        self._exclude = frozenset((*options.get("exclude", ()), "self", "cls"))
        self._signature = inspect.signature(function)
        self._fields = {"policy": policy}
        self._fields.update({name: options[name] for name in _FIELDS if name in options})

    def begin(self, args: Any, kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], float]:
        """Arguments, what of them is recorded (before the function changes them), and the time."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            return {}, {}, time.perf_counter()  # the call itself raises it, and better
        bound.apply_defaults()
        arguments = {name: value for name, value in bound.arguments.items()
                     if name not in self._exclude}
        record: dict[str, Any] = dict(self._fields)
        try:
            record["input"] = _snapshot(self._of("input", arguments, arguments))
            context = self._options.get("context")
            if context is not None:
                record["context"] = context(arguments) if callable(context) else context
            if "transaction_id" in self._options:
                record["transaction_id"] = self._options["transaction_id"](arguments)
        except Exception as error:
            self._failed(error)
            return arguments, {}, time.perf_counter()
        return arguments, record, time.perf_counter()

    def _of(self, option: str, argument: Any, default: Any) -> Any:
        function = self._options.get(option)
        return default if function is None else function(argument)

    def end(self, call: tuple[dict[str, Any], dict[str, Any], float], result: Any) -> None:
        _, record, begun = call
        record["processing_time"] = (time.perf_counter() - begun) * 1000
        try:
            output = self._of("output", result, result)
            record["output"] = output if _is_object(output) else {"result": output}
            if "confidence" in self._options:
                record["confidence"] = self._options["confidence"](result)
        except Exception as error:
            self._failed(error)
            return
        self._record(record)

    def end_badly(self, call: tuple[dict[str, Any], dict[str, Any], float],
                  error: BaseException) -> None:
        _, record, begun = call
        record["processing_time"] = (time.perf_counter() - begun) * 1000
        record["output"] = {"error": {"type": type(error).__qualname__, "message": str(error)}}
        try:
            self._record(record)
        except XaseError as not_taken:
            # The function's own exception is what the caller must see.
            self._tell(not_taken)

    def _record(self, record: dict[str, Any]) -> None:
        if "input" not in record:
            return  # told already
        payload: Any = record
        try:
            self._client.record(payload)
        except XaseError as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self._strict:
            raise error
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        from ._core import call_back

        on_error = self._client._on_error
        if on_error is not None:
            call_back(on_error, error if isinstance(error, XaseError)
                      else XaseError(f"{type(error).__name__}: {error}", "INVALID_ARGUMENT"))
            return

        def raise_it(_: Any) -> None:
            raise error

        call_back(raise_it, None)


def _is_object(value: Any) -> bool:
    if isinstance(value, dict) or hasattr(type(value), "__dataclass_fields__"):
        return True
    abc = sys.modules.get("collections.abc")
    return abc is not None and isinstance(value, abc.Mapping)


def _snapshot(value: Any) -> Any:
    """A copy of the containers, so that what the function does to them is not recorded as input."""
    if isinstance(value, dict):
        return {key: _snapshot(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_snapshot(item) for item in value]
    return value

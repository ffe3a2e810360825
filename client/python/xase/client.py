"""XaseClient."""

from __future__ import annotations

import sys

from . import _hooks
from ._core import Client as _Client
from .errors import XaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, Optional, TypeVar

    from ._results import Results
    from .types import (RecordPayload, RecordResult, Stats, Status, XaseClientConfig)

    _F = TypeVar("_F", bound=Callable[..., Any])

__all__ = ["XaseClient"]

_RUNTIME = "python@{}.{}.{}".format(*sys.version_info[:3])
_KEY_PREFIX = "xase_pk_"
_PRESENCE = ("unknown", "away", "running")
_KEY_MATCH = ("unknown", "same", "differs")
_POINTS = ("committed", "journaled", "durable", "delivered")
_BYTES_A_RECORD = 1024
_RING_BYTES_MIN = 64 << 10
_RING_BYTES_MAX = 1 << 30
_TIMEOUT_MS_MAX = (1 << 32) - 1
_OPTIONS = frozenset((
    "api_key", "base_url", "fire_and_forget", "timeout", "max_retries", "queue_max_size",
    "on_success", "on_error", "run_dir", "ring_bytes", "block_timeout", "env"))


def _number(config: dict[str, Any], name: str, default: float) -> float:
    value = config.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise XaseError(f"{name} must be a number, not negative", "INVALID_ARGUMENT")
    return value


def _milliseconds(seconds: float) -> int:
    return min(max(int(seconds * 1000 + 0.999), 0), _TIMEOUT_MS_MAX)


class XaseClient(_Client):
    """Hands records to xased through shared memory. Any thread; a child of fork() may go on with
    its parent's. Opening one asks nothing of the daemon, which may come later.

    The published SDK's options:

    api_key          not needed. Where given it is compared with the daemon's by a check value, and
                     a warning says that it differs. It is sent nowhere.
    base_url         likewise: the daemon's counts, and a warning says that this one differs.
    fire_and_forget  True: record() returns once the record is in shared memory. False: record()
                     waits for the API's receipt and returns it.
    timeout          seconds (3), and
    max_retries      (3): a caller who waits for a receipt does so for timeout * (1 + max_retries)
                     seconds. The daemon tries for as long as it takes, whatever these are.
    queue_max_size   room for at least so many records of 1 KiB in each thread's ring. Not given:
                     as large as the daemon asks for, else 4 MiB.
    on_success       called with each receipt, on_error with an XaseError for each record that the
                     API or the daemon refused. Both on one thread of ours; what they raise goes to
                     sys.unraisablehook.

    Ours:

    run_dir          where the daemon and its apps meet. Not given: $XASE_RUN_DIR, else /run/xased,
                     else $XDG_RUNTIME_DIR/xased.
    ring_bytes       bytes of each thread's ring, 64 KiB to 1 GiB; counts before queue_max_size.
    block_timeout    seconds (1) that record() waits for room in a full ring, with the GIL released,
                     before it raises QUEUE_FULL. Once that was in vain it does not wait again
                     before a record was taken. 0: never waits.
    env              told to the API with every record. Not given: $ENV, else $PYTHON_ENV, else
                     "development".
    """

    def __init__(self, config: Optional[XaseClientConfig] = None) -> None:
        options: dict[str, Any] = dict(config or {})
        for name in options:
            if name not in _OPTIONS:
                _hooks.warn(f"XaseClient has no option {name!r}: it has no effect",
                            ("option", str(name)))
        self._config = options
        self._key: Optional[str] = options.get("api_key")
        if self._key is not None:
            self._check_key(self._key)
        self._on_success = self._callback("on_success")
        self._on_error = self._callback("on_error")
        self._results: Optional[Results] = None
        wants_results = self._on_success is not None or self._on_error is not None
        ring_bytes = int(_number(options, "ring_bytes", 0))
        queue_max_size = int(_number(options, "queue_max_size", 0))
        if ring_bytes == 0 and queue_max_size != 0:
            ring_bytes = min(max(queue_max_size * _BYTES_A_RECORD, _RING_BYTES_MIN),
                             _RING_BYTES_MAX)
        # As long as the SDK's attempts would take at most.
        self._receipt_timeout = (_number(options, "timeout", 3.0)
                                 * (1 + int(_number(options, "max_retries", 3))))
        self._open(_hooks, options.get("run_dir"), _RUNTIME, options.get("env"), ring_bytes,
                   256 << 10, _milliseconds(_number(options, "block_timeout", 1.0)),
                   not options.get("fire_and_forget", True),
                   _milliseconds(self._receipt_timeout), wants_results)
        self._match = 0
        self._settled = self._key is None and options.get("base_url") is None
        self._compare()

    def _callback(self, name: str) -> Optional[Callable[[Any], object]]:
        callback: Optional[Callable[[Any], object]] = self._config.get(name)
        if callback is not None and not callable(callback):
            raise XaseError(f"{name} must be callable", "INVALID_ARGUMENT")
        return callback

    def _check_key(self, key: object) -> None:
        if not isinstance(key, str) or not key:
            raise XaseError("api_key is empty; leave it out: the daemon has it",
                            "MISSING_API_KEY")
        if not key.startswith(_KEY_PREFIX):
            _hooks.warn("the api_key given to XaseClient is none of the API's: those begin with "
                        + _KEY_PREFIX, "key format", level=4)

    def _compare(self) -> tuple[int, int, str, str]:
        """Compares what the app says of key and address with what the daemon has; warns once."""
        presence, match, run_dir, base_url = self._look(None if self._settled else self._key)
        if self._settled:
            match = self._match
        mine: Optional[str] = self._config.get("base_url")
        if match == 2:
            _hooks.warn("the api_key given to XaseClient is not the one that xased uses: records "
                        "are delivered with the daemon's", "api_key", level=4)
        if mine and base_url and mine.rstrip("/") != base_url.rstrip("/"):
            _hooks.warn(f"the base_url given to XaseClient is {mine}, but xased delivers to "
                        f"{base_url}: the daemon's counts", "base_url", level=4)
        self._match = match
        self._settled = bool(base_url) and (self._key is None or match != 0)
        return presence, match, run_dir, base_url

    # ---- recording ----

    async def record_async(self, payload: RecordPayload, *, idempotency_key: Optional[str] = None,
                           timeout: Optional[float] = None) -> RecordResult:
        """Takes a decision at once, and waits for the API's receipt without holding up the event
        loop, for `timeout` seconds (as long as record() would). Raises XaseError; with TIMEOUT the
        record goes on by itself."""
        results = self._ready_results()
        return await results.wait_for(self, payload, idempotency_key,
                                      self._receipt_timeout if timeout is None else timeout)

    def evidence(self, policy: str, **options: Any) -> Callable[[_F], _F]:
        """A decorator that records each call of a function: its arguments as `input`, what it
        returns as `output`, and the time it took. An exception is recorded and raised again.

        policy_version, decision_type, store_payload, model_id, model_version, model_hash and
        feature_schema_hash are fields of each record. Further:

        exclude     names of arguments that are not recorded
        confidence  a function of the result; context: a dict, or a function of the arguments (a
                    dict); transaction_id: a function of the arguments
        input       a function of the arguments, for another `input`; output: of the result
        strict      True: a record that is not taken raises. False: the function's result counts,
                    and the error goes to on_error, else to sys.unraisablehook.

        `self` and `cls` are left out. A result that is no object becomes {"result": ...}. Works on
        coroutine functions as well; generators are refused.
        """
        from ._evidence import decorator

        return decorator(self, policy, options)

    # ---- results ----

    def _ready_results(self) -> Results:
        """The results' thread, running in this process."""
        if self._results is None:
            from ._results import Results

            self._results = Results(self._on_success, self._on_error)
        self._results.start(self)
        return self._results

    def _start_results(self) -> None:
        self._ready_results()

    # ---- waiting, looking, ending ----

    def flush(self, timeout_s: float = 5.0, until: str = "delivered") -> None:
        """Waits until all that was recorded before, by any thread of this process, has come as far
        as `until`: journaled, durable (survives power loss) or delivered. Raises XaseError with
        FLUSH_TIMEOUT; the records go on by themselves."""
        if until not in _POINTS:
            raise XaseError(f"until must be one of {', '.join(_POINTS)}", "INVALID_ARGUMENT")
        self._flush(_POINTS.index(until), _milliseconds(timeout_s))

    def close(self, timeout_s: float = 2.0) -> None:
        """Waits up to two seconds for deliveries and their callbacks, then ends: every later call
        raises QUEUE_CLOSED. What is not delivered by then is not lost: the daemon goes on. Does
        nothing where it was called before."""
        if not self._counts()["closed"]:
            if timeout_s > 0 and self._counts()["pending"]:
                try:
                    self.flush(timeout_s)
                except XaseError:
                    pass  # they go on without us
            if self._results is not None:
                self._results.stop(self, timeout_s)
        self._close()

    def get_stats(self) -> Stats:
        """size: records of this process that are neither delivered nor refused yet."""
        counts = self._counts()
        return {"size": counts["pending"], "closed": counts["closed"]}

    def status(self) -> Status:
        """Whether the daemon lives, and how far this process's records have come. `waiting`: those
        still in shared memory, which is where they wait while the daemon is away."""
        presence, match, run_dir, base_url = self._compare()
        counts = self._counts()
        counts.update(
            daemon=_PRESENCE[presence], api_key=_KEY_MATCH[match], run_dir=run_dir,
            base_url=base_url or None, waiting=counts["committed"] - counts["journaled"])
        status: Any = counts
        return status  # type: ignore[no-any-return]

    def __enter__(self) -> XaseClient:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """For multiprocessing's spawn: the child opens its own."""
        return type(self), (self._config,)

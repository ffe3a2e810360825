"""The thread that takes results out, for callbacks and for those who await one."""

from __future__ import annotations

import atexit
import os
import threading
import weakref

from . import _hooks
from ._core import call_back
from .errors import XaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from .client import XaseClient
    from .types import RecordPayload, RecordResult

    Found = tuple[str, int, str, str, int, bool]

_WAIT_MS = 50
# For a callback that is running when the process ends.
_EXIT_PATIENCE = 2.0

_all: weakref.WeakSet[Results] = weakref.WeakSet()
_exiting = False


class Results:
    """Of one client. Holds no lock while a callback runs."""

    def __init__(self, on_success: Optional[Callable[[RecordResult], object]],
                 on_error: Optional[Callable[[XaseError], object]]) -> None:
        self._on_success = on_success
        self._on_error = on_error
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        """As in a process that has none yet. After fork(): a lock may be held by a thread that does
        not exist here."""
        self._lock = threading.RLock()  # guards what follows
        self._starting = False
        self._thread: Optional[threading.Thread] = None
        self._stopped = False
        self._waiting: dict[tuple[str, int], Any] = {}
        self._client: Optional[weakref.ref[XaseClient]] = None

    def _after_fork(self) -> None:
        client = self._client() if self._client is not None else None
        self._reset()
        if client is not None:
            client._set_running(False)

    def start(self, client: XaseClient) -> None:
        if _exiting:
            return
        with self._lock:
            if self._stopped or self._starting or (
                    self._thread is not None and self._thread.is_alive()):
                return
            # Whatever the collector runs meanwhile may record, and come here again.
            self._starting = True
            try:
                client._set_running(True)
                self._client = weakref.ref(client)
                self._thread = threading.Thread(target=_run, name="xase-results", daemon=True,
                                                args=(weakref.ref(self), self._client))
                self._thread.start()
            finally:
                self._starting = False

    def stop(self, client: Optional[XaseClient], timeout: float) -> None:
        """Gives what has come to the callbacks, and ends the thread."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        if client is not None:
            client._stop_results()
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(timeout, 0.1))

    @property
    def stopped(self) -> bool:
        return self._stopped

    # ---- who awaits one ----

    async def wait_for(self, client: XaseClient, payload: RecordPayload,
                       idempotency_key: Optional[str], timeout: float) -> RecordResult:
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[RecordResult] = loop.create_future()
        # Under the lock: the result may come before we know whose it is.
        with self._lock:
            ticket = client._submit(payload, idempotency_key=idempotency_key)
            self._waiting[ticket] = (loop, future)
        try:
            return await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            raise XaseError("the record is taken and goes on by itself; its receipt did not come "
                            "in time", "TIMEOUT", details={"producer_id": ticket[0],
                                                           "sequence": ticket[1]}) from None
        finally:
            with self._lock:
                self._waiting.pop(ticket, None)

    # ---- on the thread ----

    def deliver(self, found: Found) -> None:
        code, status, answer, producer_id, sequence, _ = found
        with self._lock:
            waiter = self._waiting.pop((producer_id, sequence), None)
        if waiter is None and (self._on_success if code == "OK" else self._on_error) is None:
            return
        result: Optional[RecordResult] = None
        error: Optional[XaseError] = None
        if code == "OK":
            try:
                result = _hooks.result_of(answer)
            except XaseError as broken:
                error = broken
        else:
            error = _hooks.error_of(code, status, answer, "", producer_id, sequence)
        if waiter is not None:
            _resolve(waiter, result, error)
        elif error is None and self._on_success is not None:
            call_back(self._on_success, result)
        elif error is not None and self._on_error is not None:
            call_back(self._on_error, error)


def _resolve(waiter: Any, result: Optional[RecordResult], error: Optional[XaseError]) -> None:
    loop, future = waiter

    def settle() -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        pass  # the loop is closed: nobody awaits any more


def _run(results_ref: weakref.ref[Results], client_ref: weakref.ref[XaseClient]) -> None:
    """Until the client is closed, or nobody holds it and nothing is on its way."""
    client = None
    while True:
        client = client or client_ref()
        results = results_ref()
        if client is None or results is None:
            return
        stopped = results.stopped
        found, outstanding = client._take_results(0 if stopped else _WAIT_MS)
        for one in found:
            results.deliver(one)
        if stopped:
            return
        if not outstanding:
            client = None
        results = None


def _after_fork() -> None:
    global _all
    known, _all = list(_all), weakref.WeakSet()
    for results in known:
        results._after_fork()
        _all.add(results)


def _at_exit() -> None:
    """The interpreter is about to end its daemon threads, in the middle of whatever they do."""
    global _exiting
    _exiting = True
    for results in list(_all):
        client = results._client() if results._client is not None else None
        results.stop(client, _EXIT_PATIENCE)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)

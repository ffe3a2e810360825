"""The shapes of what goes in and comes out. At run time each makes a plain dict."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Literal, Mapping, Optional, TypedDict

    from .errors import XaseError

    class _Required(TypedDict):
        policy: str
        input: Any
        output: Any

    class RecordPayload(_Required, total=False):
        """One decision. `input`, `output`, `context` and `explanation` are objects: dicts, other
        mappings, or dataclass instances. A field that is None is absent."""

        confidence: Optional[float]
        context: Any
        transaction_id: Optional[str]
        policy_version: Optional[str]
        decision_type: Optional[
            Literal["CLAIM", "UNDERWRITING", "FRAUD", "PRICING", "OTHER"]]
        processing_time: Optional[float]
        store_payload: Optional[bool]
        model_id: Optional[str]
        model_version: Optional[str]
        model_hash: Optional[str]
        feature_schema_hash: Optional[str]
        explanation: Any

    class RecordResult(TypedDict, total=False):
        """The API's answer, 201, as it came."""

        success: bool
        transaction_id: str
        receipt_url: str
        timestamp: str
        record_hash: str
        chain_position: str

    class XaseClientConfig(TypedDict, total=False):
        """See XaseClient."""

        api_key: Optional[str]
        base_url: Optional[str]
        fire_and_forget: bool
        timeout: float
        max_retries: int
        queue_max_size: int
        on_success: Optional[Callable[[RecordResult], object]]
        on_error: Optional[Callable[[XaseError], object]]
        run_dir: Optional[str]
        ring_bytes: int
        block_timeout: float
        env: Optional[str]

    class Stats(TypedDict):
        size: int
        closed: bool

    class Status(TypedDict):
        """daemon: "running", "away" (records wait in the ring) or "unknown" (its settings cannot be
        read here). api_key: "same", "differs" or "unknown". The numbers are of this process."""

        daemon: str
        api_key: str
        run_dir: str
        base_url: Optional[str]
        waiting: int
        committed: int
        refused: int
        journaled: int
        durable: int
        delivered: int
        failed: int
        pending: int
        results_dropped: int
        rings: int
        rings_replaced: int
        closed: bool
else:
    # typing.TypedDict would cost more than all the rest of the import.
    class _Shape:
        def __new__(cls, *args, **fields):
            return dict(*args, **fields)

    class RecordPayload(_Shape):
        """One decision."""

    class RecordResult(_Shape):
        """The API's answer, 201, as it came."""

    class XaseClientConfig(_Shape):
        """The options of XaseClient."""

    class Stats(_Shape):
        """What get_stats() returns."""

    class Status(_Shape):
        """What status() returns."""

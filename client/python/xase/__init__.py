"""Record what an AI decides, so that it can be accounted for.

    from xase import XaseClient

    with XaseClient() as client:
        client.record({
            "policy": "credit_policy_v4",
            "input": {"amount": 1169, "duration_months": 6},
            "output": {"decision": "APPROVED"},
            "confidence": 0.94,
        })

The names are those of the published SDK. Records go to xased, the daemon of this host or pod,
through shared memory; the API's key and address are the daemon's business.
"""

from ._core import version as _version
from .client import XaseClient
from .errors import XaseError, XaseWarning
from .types import RecordPayload, RecordResult, Status, XaseClientConfig

__version__: str = _version()

__all__ = [
    "RecordPayload",
    "RecordResult",
    "Status",
    "XaseClient",
    "XaseClientConfig",
    "XaseError",
    "XaseWarning",
    "__version__",
]

"""libxase through ctypes: what an app in this very process sees, without a process around it."""

import ctypes
import json
import os
import pathlib

from harness import BIN

BUILD = pathlib.Path(os.environ.get("XASE_BUILD") or BIN.parent)

OK = 0
QUEUE_FULL = 32
RUN_DIR_UNAVAILABLE = 35

COMMITTED, JOURNALED, DURABLE, DELIVERED = range(4)

_TEXTS = ("input", "output", "context", "explanation", "policy", "policy_version",
          "transaction_id", "decision_type", "idempotency_key", "model_id", "model_version",
          "model_hash", "feature_schema_hash")
_OBJECTS = ("input", "output", "context", "explanation")


class _Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]


class _Record(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("has_confidence", ctypes.c_uint8),
        ("has_processing_time", ctypes.c_uint8), ("store_payload", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 5), ("confidence", ctypes.c_double),
        ("processing_time_ms", ctypes.c_double)] + [(name, _Text) for name in _TEXTS]


class _Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("run_dir", ctypes.c_char_p), ("ring_bytes", ctypes.c_uint64),
        ("results_bytes", ctypes.c_uint32), ("on_full", ctypes.c_uint32),
        ("block_timeout_ms", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
        ("env", ctypes.c_char_p), ("runtime", ctypes.c_char_p), ("on_success", ctypes.c_void_p),
        ("on_error", ctypes.c_void_p), ("user", ctypes.c_void_p),
        ("result_thread", ctypes.c_uint32), ("reserved2", ctypes.c_uint32)]


class _Counts(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_uint64)
        for name in ("committed", "refused", "journaled", "durable", "delivered", "failed",
                     "pending", "results_dropped", "rings", "rings_replaced")
    ] + [("closed", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


def load(path=BUILD / "lib/libxase.so.1"):
    """The library; a copy under another name is another one, with state of its own."""
    library = ctypes.CDLL(str(path), mode=os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    library.xase_last_error_message.restype = ctypes.c_char_p
    for name in ("xase_client_open", "xase_record", "xase_flush", "xase_stats"):
        getattr(library, name).restype = ctypes.c_uint32
    library.xase_client_free.argtypes = [ctypes.c_void_p]
    library.xase_record.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.xase_flush.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
    library.xase_stats.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return library


class Client:
    """One xase_client. record() answers the error's number: a full ring is not an exception."""

    _library = None

    def __init__(self, run_dir, ring_bytes=0, block_timeout_ms=None, results_bytes=0,
                 library=None):
        Client._library = Client._library or load()
        self._library = library or Client._library
        options = _Options(size=ctypes.sizeof(_Options), run_dir=str(run_dir).encode(),
                           ring_bytes=ring_bytes, results_bytes=results_bytes,
                           on_full=int(block_timeout_ms is not None),
                           block_timeout_ms=block_timeout_ms or 0)
        self._client = ctypes.c_void_p()
        error = self._library.xase_client_open(ctypes.byref(options), ctypes.byref(self._client))
        if error != OK:
            raise OSError(self.last_error())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._library.xase_client_free(self._client)

    def last_error(self):
        return self._library.xase_last_error_message().decode()

    def record(self, decision):
        fields = _Record(size=ctypes.sizeof(_Record))
        for name in _TEXTS:
            if name in decision:
                value = decision[name]
                text = (json.dumps(value) if name in _OBJECTS else value).encode()
                setattr(fields, name, _Text(text, len(text)))
        if "confidence" in decision:
            fields.has_confidence, fields.confidence = 1, decision["confidence"]
        return self._library.xase_record(self._client, ctypes.byref(fields))

    def flush(self, until, timeout_ms):
        return self._library.xase_flush(self._client, until, timeout_ms)

    def stats(self):
        counts = _Counts(size=ctypes.sizeof(_Counts))
        if self._library.xase_stats(self._client, ctypes.byref(counts)) != OK:
            raise OSError(self.last_error())
        return {name: getattr(counts, name) for name, _ in _Counts._fields_}

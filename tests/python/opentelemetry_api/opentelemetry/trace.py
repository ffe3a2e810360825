"""What OpenTelemetry's API documents of the active span: get_current_span(), SpanContext, use_span().
A stand-in, for tests where the real one is not installed."""

import contextlib
import contextvars


class SpanContext:
    def __init__(self, trace_id, span_id, is_remote):
        self.trace_id = trace_id
        self.span_id = span_id
        self.is_remote = is_remote

    @property
    def is_valid(self):
        return self.trace_id != 0 and self.span_id != 0


class NonRecordingSpan:
    def __init__(self, context):
        self._context = context

    def get_span_context(self):
        return self._context


INVALID_SPAN = NonRecordingSpan(SpanContext(0, 0, False))
_current = contextvars.ContextVar("span", default=INVALID_SPAN)


def get_current_span(context=None):
    return _current.get()


@contextlib.contextmanager
def use_span(span):
    token = _current.set(span)
    try:
        yield span
    finally:
        _current.reset(token)

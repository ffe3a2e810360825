/* Xase: record what an AI decides, so that it can be accounted for.
 *
 * An app opens a client and records decisions. A record is handed to xased, the daemon of this host
 * or pod, through shared memory: it costs some tens of nanoseconds, takes no lock, allocates
 * nothing and, while the daemon keeps up, makes no system call. The daemon keeps it in a
 * tamper-evident ledger, delivers it to the Xase API and keeps the API's receipt.
 *
 *   xase_client *client = NULL;
 *   if (xase_client_open(NULL, &client) != XASE_OK) puts(xase_last_error_message());
 *
 *   xase_record_fields record = XASE_RECORD_INIT;
 *   record.policy = xase_str("credit_policy_v4");
 *   record.input = xase_str("{\"amount\":1169}");
 *   record.output = xase_str("{\"decision\":\"APPROVED\"}");
 *   if (xase_record(client, &record) != XASE_OK) puts(xase_last_error_message());
 *
 *   xase_client_free(client);
 *
 * A record's life has four points (xase_until). Once xase_record() has returned XASE_OK the record
 * survives the death of the app, of the daemon and of both. It survives power loss when it is
 * durable.
 *
 * Threads: every function may be called from any thread at any time, except that no call on a
 * client may run during or after its xase_client_free(). Each thread gets a ring of its own. No
 * function may be called from a signal handler.
 * Fork: a child may use a client that its parent opened; it gets rings of its own.
 * Structures that begin with `size` are initialised with their XASE_..._INIT; that lets them grow
 * without breaking programs built against an older header.
 * This header is C99 and C++11.
 */
#ifndef XASE_XASE_H
#define XASE_XASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(XASE_BUILDING)
#define XASE_API __attribute__((visibility("default")))
#else
#define XASE_API
#endif

#define XASE_VERSION_MAJOR 0
#define XASE_VERSION_MINOR 1
#define XASE_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#define XASE_ENUM : uint32_t /* what a C compiler takes, so that a value of a newer header is sound */
#else
#define XASE_ENUM
#endif

/* Numbers never change their meaning. */
typedef enum xase_error XASE_ENUM {
  XASE_OK = 0,
  /* What is wrong with a record; nothing was taken. */
  XASE_MISSING_POLICY = 1,
  XASE_INVALID_INPUT = 2,
  XASE_INVALID_OUTPUT = 3,
  XASE_INVALID_CONFIDENCE = 4,
  XASE_INVALID_IDEMPOTENCY_KEY = 5,
  XASE_MISSING_API_KEY = 6,
  XASE_INVALID_CONTEXT = 7,
  XASE_INVALID_EXPLANATION = 8,
  XASE_INVALID_PROCESSING_TIME = 9,
  XASE_INVALID_TEXT = 10,
  XASE_RECORD_TOO_LARGE = 11,
  XASE_RESERVED_CONTEXT_NAME = 12,
  /* The queue and the client; nothing was taken, except with XASE_TIMEOUT. */
  XASE_QUEUE_FULL = 32,
  XASE_QUEUE_CLOSED = 33,
  XASE_FLUSH_TIMEOUT = 34,
  XASE_RUN_DIR_UNAVAILABLE = 35,
  XASE_OUT_OF_MEMORY = 36,
  XASE_INVALID_ARGUMENT = 37,
  XASE_TIMEOUT = 38, /* the record was taken; what the caller waited for did not come in time */
  XASE_SYSTEM_ERROR = 39,
  /* What became of a record that was taken. */
  XASE_REJECTED = 64,       /* the daemon refused it; its ledger says why */
  XASE_REQUEST_FAILED = 65, /* the API refused it: kept as a dead letter */
  XASE_MAX_RETRIES = 66,
  XASE_QUEUE_ERROR = 67,
  XASE_UNKNOWN_ERROR = 68
} xase_error;

/* How far a record has come. Each point includes those before it. */
typedef enum xase_until XASE_ENUM {
  XASE_COMMITTED = 0, /* in shared memory: survives kill -9 of the app and of the daemon */
  XASE_JOURNALED = 1, /* written to the ledger */
  XASE_DURABLE = 2,   /* synced to disk: survives power loss */
  XASE_DELIVERED = 3  /* the API's answer is itself in the ledger, synced */
} xase_until;

/* Text that the caller owns; it need not end in a NUL and is not kept after the call. */
typedef struct xase_text {
  const char* data;
  size_t size;
} xase_text;

static inline xase_text xase_str(const char* text) {
  xase_text result;
  result.data = text;
  result.size = text ? strlen(text) : 0;
  return result;
}

/* ---- Records ---- */

typedef enum xase_store_payload XASE_ENUM {
  XASE_STORE_DEFAULT = 0, /* not said: the service keeps hashes only */
  XASE_STORE_YES = 1,
  XASE_STORE_NO = 2
} xase_store_payload;

/* One decision. Fields left empty are absent. Texts are UTF-8. Together at most 16 MiB and a
 * quarter of the ring. */
typedef struct xase_record_fields {
  size_t size;
  uint8_t has_confidence;
  uint8_t has_processing_time;
  uint8_t store_payload; /* xase_store_payload */
  uint8_t reserved[5];   /* zero */
  double confidence;     /* 0 to 1 */
  double processing_time_ms;
  xase_text input;       /* JSON object, required */
  xase_text output;      /* JSON object, required */
  xase_text context;     /* JSON object; the name "xase_ledger" is reserved */
  xase_text explanation; /* JSON object: SHAP values and the like */
  xase_text policy;      /* required */
  xase_text policy_version;
  xase_text transaction_id;
  xase_text decision_type;   /* CLAIM, UNDERWRITING, FRAUD, PRICING or OTHER */
  xase_text idempotency_key; /* a UUID v4, or 16 to 64 of A-Z a-z 0-9 _ - */
  xase_text model_id;
  xase_text model_version;
  xase_text model_hash;
  xase_text feature_schema_hash;
} xase_record_fields;

#define XASE_TEXT_NONE \
  { NULL, 0 }
#define XASE_RECORD_INIT                                                                \
  {                                                                                     \
    sizeof(xase_record_fields), 0, 0, 0, {0, 0, 0, 0, 0}, 0.0, 0.0, XASE_TEXT_NONE,     \
        XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, \
        XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, \
        XASE_TEXT_NONE, XASE_TEXT_NONE                                                  \
  }

/* What became of a record. The texts end in a NUL, are empty where nothing is known, and live as
 * long as the receipt: until xase_receipt_free(), or until the callback returns. */
typedef struct xase_receipt {
  size_t size;
  void* owner;          /* the library's; NULL when there is nothing to free */
  xase_error code;      /* XASE_OK: as far as was asked; else why not */
  uint16_t http_status; /* the API's, 0: none */
  uint8_t success;      /* the API took the record (its 201 is in the ledger) */
  uint8_t replayed;     /* the key was used before: an earlier record's receipt, not its own */
  uint8_t possible_duplicate; /* the API may hold this record twice */
  uint8_t reserved[3];
  uint64_t sequence;     /* with producer_id: where the record is named in the ledger */
  xase_text producer_id; /* 32 hexadecimal digits */
  xase_text transaction_id;
  xase_text receipt_url;
  xase_text timestamp;
  xase_text record_hash;
  xase_text chain_position;
  xase_text api_code; /* the API's own error code, like "VALIDATION_ERROR" */
  xase_text message;  /* what went wrong, for people */
  xase_text answer;   /* the API's answer as it came; JSON with any service that is the API */
} xase_receipt;

#define XASE_RECEIPT_INIT                                                                          \
  {                                                                                                \
    sizeof(xase_receipt), NULL, XASE_OK, 0, 0, 0, 0, {0, 0, 0}, 0, XASE_TEXT_NONE, XASE_TEXT_NONE, \
        XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE, XASE_TEXT_NONE,            \
        XASE_TEXT_NONE, XASE_TEXT_NONE                                                             \
  }

/* ---- Client ---- */

typedef struct xase_client xase_client;

typedef enum xase_on_full XASE_ENUM {
  XASE_FULL_FAIL = 0, /* XASE_QUEUE_FULL at once */
  XASE_FULL_BLOCK = 1 /* wait up to block_timeout_ms for room, then XASE_QUEUE_FULL */
} xase_on_full;

/* Called by xase_poll(), or by the library's thread with `result_thread`. May call any function of
 * this header. */
typedef void (*xase_result_callback)(const xase_receipt* receipt, void* user);

typedef struct xase_client_options {
  size_t size;
  /* Where the daemon and its apps meet. NULL: $XASE_RUN_DIR where set and not empty; else
   * /run/xased where it exists or can be made; else $XDG_RUNTIME_DIR/xased. Made where it is
   * missing; its parent must exist. Copied. */
  const char* run_dir;
  /* Bytes of each thread's ring, 64 KiB to 1 GiB, rounded up to a power of two. 0: what the daemon
   * asks for in its settings file, else 4 MiB. */
  uint64_t ring_bytes;
  /* Bytes for results on their way back, 4 KiB to 16 MiB, rounded up alike. 0: 64 KiB. */
  uint32_t results_bytes;
  xase_on_full on_full;
  uint32_t block_timeout_ms; /* with XASE_FULL_BLOCK; 0: 1,000 */
  uint32_t reserved;         /* zero */
  /* Told to the service with every record, under the record's own context. NULL: $ENV, else
   * $PYTHON_ENV, else "development". At most 128 bytes count. Copied. */
  const char* env;
  const char* runtime; /* likewise; NULL: "c" */
  /* With either of these, the daemon reports on every record. Results wait for xase_poll(): at most
   * 65,536 results and 16 MiB; beyond that they are dropped and counted (never the records). */
  xase_result_callback on_success;
  xase_result_callback on_error;
  void* user;
  /* Not zero: the library starts one thread, which calls the callbacks by itself. */
  uint32_t result_thread;
  /* Not zero: the daemon reports on records of a thread only from the first on that asks for it
   * with a ticket. Tickets tell their results from those of other records. */
  uint32_t results_on_request;
} xase_client_options;

#define XASE_CLIENT_OPTIONS_INIT                                                                 \
  {                                                                                              \
    sizeof(xase_client_options), NULL, 0, 0, XASE_FULL_FAIL, 0, 0, NULL, NULL, NULL, NULL, NULL, \
        0, 0                                                                                     \
  }

/* Opens a client; options may be NULL. It need not find the daemon, nor the runtime directory: what
 * is missing is an error of xase_record() and is tried again. Errors: XASE_INVALID_ARGUMENT,
 * XASE_RUN_DIR_UNAVAILABLE (no rule gives a directory), XASE_OUT_OF_MEMORY, XASE_SYSTEM_ERROR. */
XASE_API xase_error xase_client_open(const xase_client_options* options, xase_client** client);

/* Every later call returns XASE_QUEUE_CLOSED. Calls that run in other threads end safely: a record
 * is either taken or refused. Does not wait for the daemon: committed records outlive the process,
 * so nothing is lost by closing. To wait for more, call xase_flush() first. Calling it again does
 * nothing. */
XASE_API void xase_client_close(xase_client* client);

/* Closes and releases the client. NULL does nothing. */
XASE_API void xase_client_free(xase_client* client);

/* Records a decision: committed when this returns XASE_OK. Never waits, unless the ring is full and
 * the client was opened with XASE_FULL_BLOCK. The first call of a thread makes or takes over a ring
 * (some hundred microseconds). */
XASE_API xase_error xase_record(xase_client* client, const xase_record_fields* record);

/* Records a decision and waits until it has come as far as `until`, at most `timeout_ms`. `receipt`
 * may be NULL; else it is filled in every case and is the caller's to free. What the receipt says
 * of the API is known with XASE_DELIVERED alone. Errors beside those of xase_record(): XASE_TIMEOUT
 * the record is committed and takes its way without us; XASE_REJECTED, XASE_REQUEST_FAILED   what
 * became of it; see the receipt; XASE_UNKNOWN_ERROR   it is settled, but the result was lost on its
 * way back: the ledger has it.
 */
XASE_API xase_error xase_record_sync(xase_client* client, const xase_record_fields* record,
                                     xase_until until, uint32_t timeout_ms, xase_receipt* receipt);

/* Names a record that was taken: its receipt has the same producer_id and sequence. */
typedef struct xase_ticket {
  size_t size;
  uint64_t sequence;
  char producer_id[40]; /* 32 hexadecimal digits and a NUL */
} xase_ticket;

#define XASE_TICKET_INIT          \
  {                               \
    sizeof(xase_ticket), 0, { 0 } \
  }

/* Like xase_record(), and has the daemon report on this record to on_success or on_error, also of a
 * client with results_on_request. `ticket` is filled where this returns XASE_OK. */
XASE_API xase_error xase_record_tracked(xase_client* client, const xase_record_fields* record,
                                        xase_ticket* ticket);

/* ---- Records written in place ----
 *
 * For those who make JSON as they go: into the ring itself, without a copy. xase_reserve() gives
 * room; input, output, context and explanation (those that are not empty) are written into it, in
 * this order and without gaps; xase_commit() takes the record whose texts point there, and copies
 * the other texts. In between, the thread calls nothing else of this client. */

/* Room for a record whose texts have `bytes` in all, in the calling thread's ring. Never waits,
 * makes no ring and no system call, and counts no refusal: whatever it returns but XASE_OK,
 * xase_record() may still find a way, and says what is wrong where it does not. Errors:
 * XASE_QUEUE_FULL (no such room in the ring now), XASE_RUN_DIR_UNAVAILABLE (the thread has no ring
 * yet, or needs another), XASE_QUEUE_CLOSED, XASE_RECORD_TOO_LARGE, XASE_INVALID_ARGUMENT. */
XASE_API xase_error xase_reserve(xase_client* client, size_t bytes, char** room);

/* Takes the record: committed when this returns XASE_OK. Gives the room back in every case. With a
 * `ticket`, as xase_record_tracked(). Errors: those of xase_record() that tell what is wrong with a
 * record; XASE_INVALID_ARGUMENT where nothing is reserved, the record is larger than that, or its
 * texts lie elsewhere. */
XASE_API xase_error xase_commit(xase_client* client, const xase_record_fields* record,
                                xase_ticket* ticket);

/* Gives the room back; nothing is recorded. Does nothing where none is reserved. */
XASE_API void xase_cancel(xase_client* client);

/* Releases what a receipt owns and clears it. NULL does nothing. */
XASE_API void xase_receipt_free(xase_receipt* receipt);

/* Waits until all that was committed by any thread before this call has come as far as `until`.
 * With XASE_DELIVERED a record that was set aside counts as settled; see xase_stats(). Errors:
 * XASE_FLUSH_TIMEOUT, XASE_QUEUE_CLOSED. */
XASE_API xase_error xase_flush(xase_client* client, xase_until until, uint32_t timeout_ms);

/* Calls the callbacks for at most `max` results (0: all there are) in this thread. Returns how
 * many; 0 after close. */
XASE_API size_t xase_poll(xase_client* client, size_t max);

/* Counts of this process's records, over the client's life. */
typedef struct xase_counts {
  size_t size;
  uint64_t committed;
  uint64_t refused; /* the ring was full or could not be made: the caller was told */
  uint64_t journaled;
  uint64_t durable;
  uint64_t delivered;
  uint64_t failed;          /* set aside as dead letters, or refused by the daemon */
  uint64_t pending;         /* committed, not yet delivered or failed */
  uint64_t results_dropped; /* results, not records, that found no room */
  uint64_t rings;
  uint64_t rings_replaced; /* given up by the daemon, or removed under us */
  uint32_t closed;
  uint32_t reserved;
} xase_counts;

#define XASE_COUNTS_INIT \
  { sizeof(xase_counts), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Works after close too: the counts as they were then. */
XASE_API xase_error xase_stats(xase_client* client, xase_counts* counts);

/* ---- The daemon, as an app may see it ---- */

typedef enum xase_presence XASE_ENUM {
  XASE_PRESENCE_UNKNOWN = 0, /* its settings may not be read here, or are of an older one */
  XASE_PRESENCE_AWAY = 1,    /* records wait in their rings */
  XASE_PRESENCE_RUNNING = 2
} xase_presence;

typedef enum xase_key_match XASE_ENUM {
  XASE_KEY_UNKNOWN = 0, /* no key was given here, or the daemon has told of none */
  XASE_KEY_SAME = 1,
  XASE_KEY_DIFFERS = 2
} xase_key_match;

typedef struct xase_daemon_facts {
  size_t size;
  xase_presence presence;
  xase_key_match api_key;
  char run_dir[1024];  /* where this client and the daemon meet; cut where longer */
  char base_url[1024]; /* of the API, as the daemon has it; empty: not known */
} xase_daemon_facts;

/* What the daemon tells its apps (the settings file in RUN_DIR), and whether it lives. `api_key`
 * may be empty; it is compared with the daemon's by a salted check value, goes nowhere and is not
 * kept. Makes system calls, and takes about a millisecond with a key. */
XASE_API xase_error xase_look_at_daemon(xase_client* client, xase_text api_key,
                                        xase_daemon_facts* facts);

/* The name that the published SDKs use, like "QUEUE_FULL"; never NULL. */
XASE_API const char* xase_error_name(xase_error error);

/* What the last failed call of this thread has to say, and what to do about it; never NULL. Valid
 * until the thread's next call. Not touched by calls that succeed. */
XASE_API const char* xase_last_error_message(void);

/* Like "0.1.0". */
XASE_API const char* xase_version(void);

#ifdef __cplusplus
}
#endif

#endif /* XASE_XASE_H */

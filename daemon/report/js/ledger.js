// The bytes of entries, as proto/FORMATS.md of the project lays them out.

const entryTypes = ['UNKNOWN', 'PRODUCER', 'RECORD', 'REJECTED', 'GAP', 'RECEIPT', 'DEAD_LETTER',
  'SEAL', 'START', 'STOP', 'RECOVERED', 'KEY', 'ANCHOR', 'ERASE', 'AUDIT'];
const restPart = 3;

function decodeLeaf(bytes) {
  const view = viewOf(bytes);
  if (bytes.length !== 288 || toText(bytes.slice(0, 8)) !== 'XASELEAF') return null;
  return {
    type: entryTypes[view.getUint16(10, true)] || 'UNKNOWN',
    logId: toHex(bytes.slice(16, 48)),
    sequence: Number(view.getBigUint64(48, true)),
    previous: bytes.slice(56, 88),
    wallNs: view.getBigInt64(88, true),
    ringId: toHex(bytes.slice(120, 136)),
    ringSequence: Number(view.getBigUint64(136, true)),
    uid: view.getUint32(152, true),
    pid: view.getUint32(156, true),
    commitments: [0, 1, 2, 3].map((i) => bytes.slice(160 + 32 * i, 192 + 32 * i)),
  };
}

const restSpans = ['explanation', 'policy', 'policy_version', 'transaction_id', 'decision_type',
  'idempotency_key', 'model_id', 'model_version', 'model_hash', 'feature_schema_hash'];

// "The rest" of a record: a header of 80 bytes, then spans 3 to 12.
function decodeRest(bytes) {
  if (bytes.length < 80) return null;
  const view = viewOf(bytes);
  const flags = view.getUint16(2, true);
  const fields = {};
  if (flags & 1) fields.confidence = view.getFloat64(8, true);
  if (flags & 2) fields.processing_time = view.getFloat64(16, true);
  let at = 80;
  restSpans.forEach((name, i) => {
    const length = view.getUint32(24 + 4 * (i + 3), true);
    if (length > 0) fields[name] = toText(bytes.slice(at, at + length));
    at += length;
  });
  return at === bytes.length ? fields : null;
}

// Of RECEIPT and DEAD_LETTER.
function decodeAnswer(bytes) {
  if (bytes.length < 72) return null;
  const view = viewOf(bytes);
  return {
    recordSequence: Number(view.getBigUint64(0, true)),
    leafHash: bytes.slice(8, 40),
    status: view.getUint16(40, true),
    isReplayed: (view.getUint16(42, true) & 1) !== 0,
    isPossibleDuplicate: (view.getUint16(42, true) & 2) !== 0,
    attempts: view.getUint32(44, true),
    answeredNs: view.getBigInt64(56, true),
    isRetry: view.getUint32(68, true) === 1,
    text: toText(bytes.slice(72)),
  };
}

const gapReasons = {
  1: 'the queue was full, and the application was told so',
  2: 'the producer’s ring made no sense from there on, and was set aside',
  3: 'the producer’s ring went away with records that were never read',
  4: 'entries of the ledger can no longer be read',
};

function decodeGap(bytes) {
  if (bytes.length < 40) return null;
  const view = viewOf(bytes);
  return {
    count: Number(view.getBigUint64(0, true)),
    after: Number(view.getBigUint64(8, true)),
    before: Number(view.getBigUint64(16, true)),
    reason: gapReasons[view.getUint32(32, true)] || 'for a reason that this page does not know',
    text: toText(bytes.slice(40)),
  };
}

// How the service was found not to stand by a receipt.
const auditKinds = {
  1: 'it no longer has the record',
  2: 'its record_hash is no longer the receipt’s',
  3: 'its record_hash cannot come of what was posted',
  4: 'it says that the record was tampered with',
  5: 'it holds a second record on one predecessor: its chain is forked',
  6: 'it holds a second record on one predecessor, both under way at once',
  7: 'its chain goes back: its history was replaced or lost',
  8: 'the receipt goes on from no record of this ledger: another writer, or a fork',
};

function decodeAudit(bytes) {
  if (bytes.length < 64) return null;
  const view = viewOf(bytes);
  return {
    record: Number(view.getBigUint64(0, true)),
    what: auditKinds[view.getUint16(40, true)] || 'for a reason that this page does not know',
    status: view.getUint32(44, true),
    wallNs: view.getBigInt64(56, true),
  };
}

// {size, wallNs, transaction}: a signed head that the service took.
function decodeAnchor(bytes) {
  if (bytes.length < 72) return null;
  const view = viewOf(bytes);
  const noteEnd = 72 + view.getUint32(64, true);
  if (noteEnd > bytes.length) return null;
  let transaction = '';
  try {
    transaction = String(JSON.parse(toText(bytes.slice(noteEnd))).transaction_id || '');
  } catch (error) {
    // What the service answered is told where it can be read.
  }
  return { size: Number(view.getBigUint64(0, true)), wallNs: view.getBigInt64(56, true), transaction };
}

// C2SP signed note whose text is a C2SP tlog-checkpoint; throws where it is none.
function parseNote(note) {
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw new Error('The signed head is malformed.');
  const text = note.slice(0, split + 1);
  const [origin, size, root] = text.split('\n');
  const signatures = note.slice(split + 2).split('\n').filter((line) => line !== '').map((line) => {
    const [, name, encoded] = line.split(' ');
    const bytes = fromBase64(encoded);
    return { name, id: toHex(bytes.slice(0, 4)), signature: bytes.slice(4) };
  });
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size)) throw new Error('The signed head names no size.');
  return { text, origin, size: Number(size), root: fromBase64(root), signatures };
}

// name+key id+base64; throws where it is none.
async function parseKey(text) {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim());
  if (!match) throw new Error('This is no verifier key: name+8 hex digits+base64.');
  const bytes = fromBase64(match[3]);
  const key = { text: match[0], name: match[1], id: match[2], algorithm: bytes[0],
    bytes: bytes.slice(1) };
  if (key.algorithm !== 1 && key.algorithm !== 2) {
    throw new Error('The key’s algorithm is not known here.');
  }
  const named = key.algorithm === 1 ? joined(utf8(`${key.name}\n`), bytes) : key.bytes;
  if (toHex((await sha256(named)).slice(0, 4)) !== key.id) {
    throw new Error('The key id is not that of the key: a character is wrong or missing.');
  }
  return key;
}

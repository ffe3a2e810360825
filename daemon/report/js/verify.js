// Verifies the entries of the data block. A check is {what, ok, text}; ok is null where there was
// nothing to be checked with.

const commitmentDomain = utf8('XASECMT1');
// As the maker of the data block words them.
const faultNames = [' as input ', ' as output ', ' as context ', ' as the other fields '];
const partNames = ['input', 'output', 'context', 'fields and explanation'];

async function commitment(part, salt, bytes) {
  const prefix = new Uint8Array(33);
  prefix.set(commitmentDomain);
  prefix[8] = part;
  prefix.set(salt, 9);
  viewOf(prefix).setBigUint64(25, BigInt(bytes.length), true);
  return sha256(joined(prefix, bytes));
}

const leafHash = (leaf) => sha256(joined(Uint8Array.of(0), leaf));

// Paths meet: each node is hashed once.
const nodeHashes = new Map();
async function nodeHash(left, right) {
  const name = toHex(left) + toHex(right);
  if (!nodeHashes.has(name)) {
    nodeHashes.set(name, sha256(joined(Uint8Array.of(1), left, right)));
  }
  return nodeHashes.get(name);
}

// RFC 9162, section 2.1.3.2. Sizes are beyond what bit operations take.
async function rootByPath(hash, index, size, path) {
  let fn = BigInt(index);
  let sn = BigInt(size) - 1n;
  let node = hash;
  for (const sibling of path) {
    if (sn === 0n) return null;
    if ((fn & 1n) === 1n || fn === sn) {
      node = await nodeHash(sibling, node);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      node = await nodeHash(node, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? node : null;
}

// {ok, text, size, root, origin}: what the key says of the head.
async function verifyHead(note, keyText) {
  if (note === '') return { ok: false, size: 0, text: 'There is no signed head.' };
  let head;
  try {
    head = parseNote(note);
  } catch (error) {
    return { ok: false, size: 0, text: 'The signed head is malformed.' };
  }
  if (keyText === '') return { ...head, ok: false, text: 'No key is known that could have signed.' };
  try {
    const key = await parseKey(keyText);
    const line = head.signatures.find((one) => one.name === key.name && one.id === key.id);
    if (!line) return { ...head, ok: false, text: 'This key did not sign the head.' };
    const check = key.algorithm === 1 ? isEd25519 : isEcdsaP256;
    const holds = await check(key.bytes, utf8(head.text), line.signature);
    return { ...head, ok: holds, text: holds ? 'The key’s signature over the head holds.' :
      'The key’s signature over the head does not hold: the head or the signature was changed.' };
  } catch (error) {
    return { ...head, ok: false, text: error.message };
  }
}

// What an entry of the data block holds, hashes computed; no verdict yet.
async function openEntry(raw, hashes) {
  const entry = { sequence: raw.s, faults: raw.f || [], isFromTree: raw.t === 1,
    isErased: raw.e === 1, pathProblem: raw.pp || '', stated: raw.m || null, parts: [], checks: [],
    leaf: null, hash: null, type: 'UNREADABLE' };
  if (raw.p) entry.path = raw.p.map((index) => hashes[index]);
  if (!raw.l) return entry;
  entry.leafBytes = fromBase64(raw.l);
  entry.leaf = decodeLeaf(entry.leafBytes);
  entry.hash = await leafHash(entry.leafBytes);
  if (entry.leaf) entry.type = entry.leaf.type;
  entry.parts = (raw.d || []).map((part) => part &&
    { bytes: fromBase64(part[0]), salt: fromBase64(part[1]) });
  return entry;
}

async function checkParts(entry) {
  for (let i = 0; i < entry.parts.length; i += 1) {
    const part = entry.parts[i];
    if (!part) continue;
    const computed = await commitment(i, part.salt, part.bytes);
    part.ok = isSame(computed, entry.leaf.commitments[i]);
    part.computed = computed;
    const name = entry.type === 'RECORD' ? partNames[i] : 'body';
    entry.checks.push({ what: `Content: ${name}`, ok: part.ok, text: part.ok ?
      'What is shown is what the entry commits to.' :
      'What is shown is NOT what the entry commits to: it was changed after it was recorded.' });
  }
}

async function checkPath(entry, head) {
  const what = 'In the signed head';
  if (entry.sequence > head.size) {
    entry.checks.push({ what, ok: null, text: 'Recorded after the last head was signed.' });
    return;
  }
  if (!entry.path) {
    entry.checks.push({ what, ok: false, text: 'There is no path to the signed head: ' +
      (entry.pathProblem || 'the ledger’s tree does not hold this entry') + '.' });
    return;
  }
  const root = await rootByPath(entry.hash, entry.sequence - 1, head.size, entry.path);
  entry.isInTree = root !== null && isSame(root, head.root);
  entry.checks.push({ what, ok: entry.isInTree, text: entry.isInTree ?
    `Its hash leads over ${entry.path.length} hashes to the root of the signed head.` :
    'Its hash does NOT lead to the root of the signed head: the entry was changed, or is not ' +
    'the one that was signed.' });
}

// Whether the next entry names this one's hash. Where it does not, the one that the head vouches
// for is right.
function checkLink(entry, next) {
  if (!entry.hash || !next || !next.leaf) return;
  if (isSame(next.leaf.previous, entry.hash)) {
    entry.checks.push({ what: 'Chain', ok: true,
      text: `Entry ${next.sequence} behind it names its hash.` });
    return;
  }
  const text = `Entry ${next.sequence} names another hash than that of entry ${entry.sequence}.`;
  if (!entry.isInTree || next.isInTree) entry.checks.push({ what: 'Chain', ok: false, text });
  if (!next.isInTree) next.checks.push({ what: 'Chain', ok: false, text });
}

function conclude(entry, head) {
  entry.checks.push({ what: 'Signature', ok: entry.sequence > head.size ? null : head.ok,
    text: entry.sequence > head.size ? 'Not covered yet by a signature.' : head.text });
  if (!entry.leaf) {
    entry.checks.unshift({ what: 'Entry', ok: false, text: 'It cannot be read.' });
  } else if (entry.leaf.sequence !== entry.sequence) {
    entry.checks.unshift({ what: 'Entry', ok: false, text: 'It says that it is another one.' });
  }
  for (const text of entry.faults) {
    // What was shown here as well need not be told twice.
    if (entry.parts.some((part, i) => part && part.ok === false && text.includes(faultNames[i]))) {
      continue;
    }
    entry.checks.unshift({ what: 'At the making', ok: false, text });
  }
  if (entry.checks.some((check) => check.ok === false)) entry.verdict = 'failed';
  else entry.verdict = entry.sequence > head.size ? 'unsigned' : 'verified';
}

// Each answer joins its record. One that names another hash than its record's speaks of another.
function joinAnswers(entries, bySequence) {
  for (const entry of entries) {
    if (entry.type !== 'RECEIPT' && entry.type !== 'DEAD_LETTER') continue;
    entry.answer = entry.parts[restPart] ? decodeAnswer(entry.parts[restPart].bytes) : null;
    const record = entry.answer && bySequence.get(entry.answer.recordSequence);
    if (!record || record.type !== 'RECORD') continue;
    entry.isOfThisRecord = isSame(entry.answer.leafHash, record.hash);
    (record.answers = record.answers || []).push(entry);
    if (!entry.isOfThisRecord) {
      // Of the two, the one that is in the signed tree is as it was.
      const changed = record.isInTree ? entry : record;
      changed.checks.push({ what: 'Receipt', ok: false,
        text: 'The receipt names another hash than that of the record.' });
    }
  }
}

async function openAll(data) {
  const hashes = data.hashes.map(fromBase64);
  const entries = [];
  for (const raw of data.entries) entries.push(await openEntry(raw, hashes));
  return entries;
}

async function verifyAll(entries, note, keyText, progress) {
  const head = await verifyHead(note, keyText);
  const bySequence = new Map(entries.map((entry) => [entry.sequence, entry]));
  for (let i = 0; i < entries.length; i += 1) {
    const entry = entries[i];
    entry.checks = [];
    entry.answers = null;
    entry.isInTree = false;
    if (entry.leaf) {
      await checkParts(entry);
      await checkPath(entry, head);
    }
    if (i % 64 === 63 && progress) await progress(i, entries.length);
  }
  for (const entry of entries) checkLink(entry, bySequence.get(entry.sequence + 1));
  joinAnswers(entries, bySequence);
  for (const entry of entries) conclude(entry, head);
  return head;
}

// The table of records; each opens to all that is known of it.

const rowsAtOnce = 200;

function parsed(part) {
  if (!part) return undefined;
  try {
    return JSON.parse(toText(part.bytes));
  } catch (error) {
    return undefined;
  }
}

// What the sections ask of a record.
function describe(record) {
  const rest = record.parts[restPart];
  record.fields = (rest && decodeRest(rest.bytes)) || record.stated || {};
  record.delivery = record.type === 'RECORD' ? deliveryOf(record) : '—';
  const output = parsed(record.parts[1]);
  const decision = output && ['decision', 'outcome', 'result', 'action', 'label']
    .map((key) => output[key]).find((value) => ['string', 'number', 'boolean'].includes(typeof value));
  record.decision = decision === undefined ? '' : String(decision);
  record.words = [record.sequence, record.type, policyOf(record), modelOf(record), record.decision,
    record.fields.transaction_id, record.fields.decision_type, record.delivery,
    verdictWords[record.verdict]].join(' ').toLowerCase();
}

function payloadBlock(record, i) {
  const title = h('h3', {}, ['Input', 'Output', 'Context'][i]);
  const part = record.parts[i];
  if (part) {
    const value = parsed(part);
    return h('div', {}, title, h('pre', { class: part.ok ? '' : 'failed' },
      value === undefined ? toText(part.bytes) : JSON.stringify(value, null, 2)));
  }
  const words = record.isFromTree ? 'The journal does not hold it.' :
    record.isErased ? 'Erased. The entry verifies without it.' :
      isZero(record.leaf.commitments[i]) ? 'The record has none.' : 'Withheld. The entry commits to it.';
  return h('div', {}, title, h('p', { class: 'withheld' }, words));
}

function explanationBlock(record) {
  const text = record.fields.explanation;
  if (!text) {
    const words = record.stated ? 'Withheld. The entry commits to it.' : 'The record has none, or it cannot be read.';
    return [h('h3', {}, 'Explanation'), h('p', { class: 'withheld' }, words)];
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return [h('h3', {}, 'Explanation'), h('pre', {}, text)];
  }
  const pairs = contributionsOf(value);
  const about = [value.method, value.unit].filter((word) => typeof word === 'string').join(', ');
  return [h('h3', {}, 'Explanation', about ? h('span', { class: 'soft' }, ` — ${about}`) : null),
    pairs.length > 0 ? contributionChart(pairs) : null,
    pairs.length > 0 ? h('details', {}, h('summary', {}, 'As text'), h('pre', {}, JSON.stringify(value, null, 2))) :
      h('pre', {}, JSON.stringify(value, null, 2))];
}

function checkList(checks) {
  return h('ul', { class: 'checks' }, checks.map((check) => h('li',
    { class: check.ok === null ? 'open' : check.ok ? 'good' : 'bad' },
    h('span', {}, check.ok === null ? '○' : check.ok ? '✓' : '✗'), h('span', {}, check.what),
    h('span', {}, check.text))));
}

function proofBlock(record) {
  return h('details', {}, h('summary', {}, 'Proof: hashes and leaf'),
    definitions([['Leaf hash', toHex(record.hash), 'mono'],
      ['Hash before it', toHex(record.leaf.previous), 'mono'],
      ...record.leaf.commitments.map((bytes, i) => [`Commitment, ${partNames[i]}`,
        isZero(bytes) ? 'none: the part is absent' : toHex(bytes), 'mono']),
      ['Leaf', toHex(record.leafBytes), 'mono']]),
    record.path ? [h('h3', {}, 'Path to the root of the signed head'),
      h('ol', { class: 'path mono' }, record.path.map((node) => h('li', {}, toHex(node))))] : null);
}

function answerBlock(answers) {
  return (answers || []).map((entry) => [
    h('h3', {}, entry.type === 'RECEIPT' ? 'Receipt of the Xase API' : 'Answer of the Xase API'),
    definitions([['Entry', `${counted(entry.sequence)}`], ['Verification', chip(entry.verdict)],
      ['Status', entry.answer.isRetry ? 'an operator asked for another try' :
        entry.answer.status ? `HTTP ${entry.answer.status}` : 'no answer'],
      ['Answered', timeText(entry.answer.answeredNs, 23)],
      ['Attempts', counted(entry.answer.attempts)],
      ['Doubt', [entry.answer.isReplayed ? 'the answer is one to an earlier request' : '',
        entry.answer.isPossibleDuplicate ? 'the service may hold the record twice' : '']
        .filter((text) => text).join('; ')],
      ['Answer', entry.answer.text, 'mono']]),
    entry.verdict === 'verified' ? null : checkList(entry.checks)]);
}

function detailsOf(record) {
  if (!record.leaf) return [h('h3', {}, 'Verification'), checkList(record.checks)];
  const fields = record.fields;
  return [
    h('h3', {}, 'Verification'), checkList(record.checks),
    h('h3', {}, 'Record'),
    definitions([['Recorded', timeText(record.leaf.wallNs, 23)], ['Policy', policyOf(record)],
      ['Model', modelOf(record)], ['Model hash', fields.model_hash, 'mono'],
      ['Feature schema hash', fields.feature_schema_hash, 'mono'],
      ['Decision type', fields.decision_type], ['Transaction', fields.transaction_id],
      ['Confidence', fields.confidence === undefined ? '' : String(fields.confidence)],
      ['Processing time', fields.processing_time === undefined ? '' : `${fields.processing_time} ms`],
      ['Producer', `ring ${record.leaf.ringId.slice(0, 8)}, its record ${counted(record.leaf.ringSequence)}; ` +
        `user id ${record.leaf.uid}, as the kernel tells it; process ${record.leaf.pid}, as it says`]]),
    h('div', { class: 'payloads' }, [0, 1, 2].map((i) => payloadBlock(record, i)),
      h('div', {}, explanationBlock(record))),
    answerBlock(record.answers), proofBlock(record)];
}

function rowOf(record) {
  const details = h('tr', { class: 'details', hidden: '' }, h('td', { colspan: '8' }));
  const button = h('button', { class: 'open', 'aria-expanded': 'false', id: `entry-${record.sequence}` },
    counted(record.sequence));
  const toggle = () => {
    details.hidden = !details.hidden;
    button.setAttribute('aria-expanded', String(!details.hidden));
    if (!details.hidden) details.firstChild.replaceChildren(...detailsOf(record).flat(Infinity).filter((one) => one));
  };
  button.addEventListener('click', toggle);
  const row = h('tr', { class: record.verdict, 'data-sequence': record.sequence, 'data-verdict': record.verdict },
    h('td', {}, button), h('td', {}, record.leaf ? timeText(record.leaf.wallNs).replace(' UTC', '') : '—'),
    h('td', {}, record.leaf ? policyOf(record) : 'unreadable entry'),
    h('td', { class: 'wide-only' }, record.leaf ? modelOf(record) : ''),
    h('td', {}, record.decision || (record.parts[1] ? '—' : h('span', { class: 'soft' },
      record.isFromTree || record.isErased ? 'not there' : 'withheld'))),
    h('td', { class: 'number' }, record.fields.confidence === undefined ? '—' : record.fields.confidence.toFixed(3)),
    h('td', { class: 'wide-only' }, record.delivery), h('td', {}, chip(record.verdict)));
  return [row, details];
}

function showRecords(rows) {
  const body = h('tbody', {});
  const status = h('p', { class: 'soft' });
  const more = h('button', { type: 'button', class: 'no-print' });
  const filter = h('input', { type: 'search', placeholder: 'Filter: transaction, policy, model, decision, entry …',
    'aria-label': 'Filter' });
  const choice = h('select', { 'aria-label': 'Verification' }, [['', 'All'], ['failed', 'Failed'],
    ['unsigned', 'Not yet signed'], ['verified', 'Verified']].map(([value, text]) => h('option', { value }, text)));
  let found = [];
  let shown = 0;
  const grow = () => {
    body.append(...found.slice(shown, shown + rowsAtOnce).flatMap(rowOf));
    shown = Math.min(found.length, shown + rowsAtOnce);
    more.hidden = shown === found.length;
    more.textContent = `Show ${counted(Math.min(rowsAtOnce, found.length - shown))} more`;
    status.textContent = `${counted(shown)} of ${plural(found.length, 'record')} shown. Each opens to what it ` +
      'holds, its explanation, its receipt and its proof.';
  };
  const search = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter((word) => word);
    found = rows.filter((row) => (!choice.value || row.verdict === choice.value) &&
      words.every((word) => row.words.includes(word)));
    shown = 0;
    body.replaceChildren();
    grow();
  };
  filter.addEventListener('input', search);
  choice.addEventListener('change', search);
  more.addEventListener('click', grow);
  replaceIn('records', h('h2', {}, 'Records'), h('div', { class: 'tools' }, filter, choice), status,
    h('table', { id: 'record-table' }, h('thead', {}, h('tr', {}, h('th', {}, 'Entry'), h('th', {}, 'Time, UTC'),
      h('th', {}, 'Policy'), h('th', { class: 'wide-only' }, 'Model'), h('th', {}, 'Decision'),
      h('th', { class: 'number' }, 'Confidence'), h('th', { class: 'wide-only' }, 'Delivery'),
      h('th', {}, 'Verification'))), body), more);
  search();
  if (rows.length === 1) byId(`entry-${rows[0].sequence}`).click();
}

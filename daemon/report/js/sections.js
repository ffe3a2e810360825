// The report's sections, but for the records.

const isRow = (entry) => !['PRODUCER', 'REJECTED', 'GAP', 'RECEIPT', 'DEAD_LETTER', 'SEAL', 'START',
  'STOP', 'RECOVERED', 'KEY', 'ANCHOR', 'ERASE', 'AUDIT'].includes(entry.type);
const count = (entries, verdict) => entries.filter((entry) => entry.verdict === verdict).length;

function bodyJson(entry) {
  try {
    return JSON.parse(toText(entry.parts[restPart].bytes));
  } catch (error) {
    return null;
  }
}

function originOf(data, head) {
  try {
    return JSON.parse(data.start).origin;
  } catch (error) {
    // Without a START entry in the range: the name that signs, without what makes it unique.
    return (head.origin || data.key.split('+')[0]).replace(/\/[0-9a-f-]{36}$/, '');
  }
}

function showTitle(data, entries, head) {
  const withLeaf = entries.filter((entry) => entry.leaf && !entry.isFromTree);
  const logId = withLeaf.length > 0 ? withLeaf[withLeaf.length - 1].leaf.logId : '';
  const times = entries.filter((entry) => entry.type === 'RECORD').map((entry) => entry.leaf.wallNs)
    .sort((a, b) => (a < b ? -1 : 1));
  const origin = originOf(data, head) || 'unknown origin';
  document.title = `Record of automated decisions — ${origin}`;
  replaceIn('title', h('p', { class: 'kicker' }, 'Record of automated decisions'),
    h('h1', {}, origin),
    definitions([
      ['Decisions', times.length === 0 ? 'none in this range' :
        `${timeText(times[0])} to ${timeText(times[times.length - 1])}, by the host’s clock`],
      ['Entries', `${counted(data.from)} to ${counted(data.to)} of a ledger of ${counted(data.last)}` +
        (data.has_earlier ? ' — the last records; earlier ones are not in this report' : '')],
      ['Signed head', head.size ? `over ${plural(head.size, 'entry', 'entries')}, signed as ${head.origin}` :
        data.note_problem || 'none'],
      ['Ledger id', logId, 'mono'],
      ['Made', `${timeText(BigInt(data.made))} by ${data.program}`],
    ]));
}

function showVerdict(data, entries, head) {
  const rows = entries.filter(isRow);
  const others = entries.filter((entry) => !isRow(entry));
  const bad = entries.filter((entry) => entry.verdict === 'failed');
  const [verified, failed, unsigned] = ['verified', 'failed', 'unsigned'].map((v) => count(rows, v));
  const missing = data.to - data.from + 1 -
    entries.filter((entry) => entry.sequence >= data.from && entry.sequence <= data.to).length;
  const verdict = !head.ok || bad.length > 0 || missing > 0 ? 'failed' : unsigned > 0 ? 'unsigned' : 'verified';
  const titles = {
    verified: verified === 1 ? 'The record verifies' : `All ${counted(verified)} records verify`,
    unsigned: `No record fails; ${counted(unsigned)} came after the last signature`,
    failed: !head.ok ? 'Nothing here can be relied upon' : failed === 0 ?
      'Not all that must be here is here and fits' :
      `${plural(failed, 'record')} ${failed === 1 ? 'does' : 'do'} not verify`,
  };
  if (rows.length === 0 && verdict === 'verified') titles.verified = 'No records in this range';
  Object.assign(document.documentElement.dataset, { verdict, verified, failed, unsigned,
    othersFailed: count(others, 'failed'), firstBad: bad.length > 0 ? bad[0].sequence : '',
    badSequences: bad.slice(0, 50).map((entry) => entry.sequence).join(','),
    hashes: used.hashes, signatures: used.signatures || '' });
  replaceIn('verdict',
    h('div', { class: `panel ${verdict}` },
      h('h2', {}, titles[verdict]),
      head.ok ? null : h('p', {}, head.text),
      h('div', { class: 'figures' }, figure(verified, 'records verified', 'good'),
        figure(failed, 'records failed', failed > 0 ? 'bad' : ''),
        figure(unsigned, 'not yet signed', unsigned > 0 ? 'open' : ''),
        figure(others.length, `other entries, ${counted(count(others, 'failed'))} failed`,
          count(others, 'failed') > 0 ? 'bad' : '')),
      bad.length > 0 ? h('p', {}, 'First at entry ', h('b', {}, counted(bad[0].sequence)),
        bad.length > 1 ? `; in all: ${bad.slice(0, 20).map((entry) => entry.sequence).join(', ')}${bad.length > 20 ? ', …' : ''}` : '',
        '.') : null,
      missing > 0 ? h('p', {}, `${plural(missing, 'entry', 'entries')} of the range ` +
        `${missing === 1 ? 'is' : 'are'} not in this report.`) : null,
      h('p', { class: 'soft' }, `Verified just now, in this browser: hashes by ${used.hashes}` +
        (used.signatures ? `, the signature by ${used.signatures}.` : '; no signature could be checked.'))),
    !data.key_is_pinned && !data.ownKey ? h('p', { class: 'note' },
      'The key that this verification uses came with the ledger itself. It shows that nothing was ' +
      'changed since it signed, and not who holds it: compare it with one that you have from ' +
      'elsewhere, ', h('a', { href: '#head' }, 'below'), '.') : null,
    data.disclosed.length < 4 ? h('p', { class: 'note' }, data.disclosed.length === 0 ?
      'What the records hold — input, output, context, explanation — is withheld in this report. ' +
      'Each record stays bound to it: the entry commits to every part, and each can be disclosed later ' +
      'and compared.' :
      `Of what the records hold, this report discloses: ${data.disclosed.join(', ')}. The rest is withheld; ` +
      'the entries commit to it.') : null);
}

function tally(records, nameOf) {
  const groups = new Map();
  for (const record of records) {
    const name = nameOf(record);
    const group = groups.get(name) || { count: 0, sum: 0, rated: 0, failed: 0 };
    group.count += 1;
    if (record.verdict === 'failed') group.failed += 1;
    if (typeof record.fields.confidence === 'number') {
      group.sum += record.fields.confidence;
      group.rated += 1;
    }
    groups.set(name, group);
  }
  return [...groups].sort((a, b) => b[1].count - a[1].count);
}

function tallyTable(head, groups) {
  const shown = groups.slice(0, 12).map(([name, group]) => [name, counted(group.count),
    group.rated > 0 ? (group.sum / group.rated).toFixed(3) : '—', counted(group.failed)]);
  if (groups.length > 12) shown.push([`and ${counted(groups.length - 12)} others`, '', '', '']);
  return table([head, '#Records', '#Mean confidence', '#Failed'], shown);
}

const named = (name, version) => (name ? name + (version ? ` · ${version}` : '') : 'not stated');
function namedOf(record, name, version) {
  if (record.isFromTree) return 'no longer in the journal';
  if (record.isErased) return 'erased';
  return named(record.fields[name], record.fields[version]);
}
const policyOf = (record) => namedOf(record, 'policy', 'policy_version');
const modelOf = (record) => namedOf(record, 'model_id', 'model_version');

function showDecided(data, records) {
  const confident = records.filter((record) => typeof record.fields.confidence === 'number');
  const bins = Array.from({ length: 20 }, (unused, i) => ({ count: 0, bad: 0,
    title: `${(i / 20).toFixed(2)} to ${((i + 1) / 20).toFixed(2)}` }));
  for (const record of confident) {
    const bin = bins[Math.max(0, Math.min(19, Math.floor(record.fields.confidence * 20)))];
    bin.count += 1;
    if (record.verdict === 'failed') bin.bad += 1;
  }
  for (const bin of bins) bin.title += `: ${plural(bin.count, 'record')}`;
  const hasOutput = data.disclosed.includes('output');
  const stated = records.filter((record) => record.stated).length;
  replaceIn('decided', h('h2', {}, 'What was decided'),
    stated > 0 ? h('p', { class: 'soft' }, `Policy, model and confidence of ${plural(stated, 'record')} are as ` +
      'the maker of this report states them: they share a commitment with the explanation, which is ' +
      'withheld. They were compared with it when the report was made.') : null,
    h('div', { class: 'columns' },
      h('div', {}, h('h3', {}, 'By policy'), tallyTable('Policy', tally(records, policyOf)),
        h('h3', {}, 'By model'), tallyTable('Model', tally(records, modelOf))),
      h('div', {}, hasOutput ? [h('h3', {}, 'By decision'),
        tallyTable('Decision', tally(records, (record) => record.decision || 'not stated'))] : null,
      h('h3', {}, 'Confidence'), confident.length > 0 ?
        histogram(bins, [[0, '0'], [0.25, '0.25'], [0.5, '0.5'], [0.75, '0.75'], [1, '1']],
          'Records by confidence', 500) : h('p', { class: 'soft' }, 'No record states one.'))));
}

function showTimeline(records) {
  const timed = records.filter((record) => record.leaf);
  if (timed.length === 0) {
    replaceIn('timeline', h('h2', {}, 'Timeline'), h('p', { class: 'soft' }, 'No record that can be read.'));
    return;
  }
  const times = timed.map((record) => record.leaf.wallNs);
  const first = times.reduce((a, b) => (a < b ? a : b));
  const last = times.reduce((a, b) => (a > b ? a : b));
  const span = last - first + 1n;
  const digits = span < 600n * 1000000000n ? 23 : 19;
  const bins = Array.from({ length: 60 }, (unused, i) => ({ count: 0, bad: 0,
    title: timeText(first + (span * BigInt(i)) / 60n, digits) }));
  timed.forEach((record, i) => {
    const bin = bins[Number(((times[i] - first) * 60n) / span)];
    bin.count += 1;
    if (record.verdict === 'failed') bin.bad += 1;
  });
  for (const bin of bins) bin.title += `: ${plural(bin.count, 'record')}`;
  replaceIn('timeline', h('h2', {}, 'Timeline'),
    h('p', { class: 'soft' }, 'Records over time, by the host’s clock', count(timed, 'failed') > 0 ?
      '; those that fail in red.' : '.'),
    histogram(bins, [[0, timeText(first, digits)], [0.5, timeText(first + span / 2n, digits)],
      [1, timeText(last, digits)]], 'Records over time'));
}

function deliveryOf(record) {
  const answers = record.answers || [];
  const receipt = answers.find((answer) => answer.type === 'RECEIPT');
  if (receipt) return receipt.answer.isReplayed ? 'replayed' : 'delivered';
  const letters = answers.filter((answer) => answer.type === 'DEAD_LETTER');
  return letters.length > 0 && !letters[letters.length - 1].answer.isRetry ? 'set aside' : 'waiting';
}

// What the service, as a witness of this ledger, took and stands by.
function witnessWords(entries) {
  const bodies = (type, decode) => entries.filter((entry) => entry.type === type && entry.parts[restPart])
    .map((entry) => ({ entry, body: decode(entry.parts[restPart].bytes) })).filter((one) => one.body);
  const anchors = bodies('ANCHOR', decodeAnchor);
  const audits = bodies('AUDIT', decodeAudit);
  const last = anchors.reduce((a, b) => (a && a.body.size > b.body.size ? a : b), null);
  return [
    last ? h('p', {}, `The API also took ${plural(anchors.length, 'signed head')} of this ledger, the last at ` +
      `${timeText(last.body.wallNs)} over ${plural(last.body.size, 'entry', 'entries')}` +
      (last.body.transaction ? `, as ${last.body.transaction}` : '') +
      '. Ask it for that record: what it says there, nobody on this host can change.') : null,
    audits.length > 0 ? [h('h3', {}, 'What the API does not stand by'),
      table(['#Entry', '#Record', 'Asked', 'Found', 'Verification'], audits.slice(0, 200).map(({ entry, body }) => [
        counted(entry.sequence), counted(body.record), timeText(body.wallNs), body.what, chip(entry.verdict)])),
      audits.length > 200 ? h('p', {}, `and ${counted(audits.length - 200)} others`) : null] : null,
  ];
}

function showDelivery(records, entries) {
  const of = (what) => records.filter((record) => record.delivery === what).length;
  const doubtful = records.filter((record) => (record.answers || []).some((answer) =>
    answer.answer.isPossibleDuplicate)).length;
  const letters = records.filter((record) => record.delivery === 'set aside');
  replaceIn('delivery', h('h2', {}, 'Delivery'),
    h('p', { class: 'soft' }, 'What became of these records at the Xase API. Each answer is an entry of the ' +
      'ledger itself, and names the hash of its record.'),
    h('div', { class: 'figures' }, figure(of('delivered'), 'delivered, with a receipt', 'good'),
      figure(of('waiting'), 'no answer in the ledger'),
      figure(of('set aside'), 'refused and set aside', of('set aside') > 0 ? 'bad' : ''),
      figure(of('replayed'), 'answered for an earlier request', of('replayed') > 0 ? 'open' : ''),
      figure(doubtful, 'perhaps held twice', doubtful > 0 ? 'open' : '')),
    letters.length > 0 ? table(['Refused record', 'Status', 'Answer'], letters.slice(0, 50).map((record) => {
      const letter = record.answers[record.answers.length - 1].answer;
      return [counted(record.sequence), String(letter.status || 'none'), shorter(letter.text, 300)];
    })) : null,
    witnessWords(entries));
}

function damageWords(entry) {
  if (entry.type === 'GAP') {
    const gap = entry.parts[restPart] ? decodeGap(entry.parts[restPart].bytes) : null;
    if (!gap) return 'A gap whose details are not in this report.';
    const where = /^0*$/.test(entry.leaf.ringId) ? 'of the ledger' : `of producer ${entry.leaf.ringId.slice(0, 8)}`;
    return `${plural(gap.count, 'record')} missing behind ${counted(gap.after)}` +
      `${gap.before ? ` and before ${counted(gap.before)}` : ''} ${where}: ${gap.reason}.` +
      (gap.text ? ` ${gap.text}` : '');
  }
  if (entry.type === 'RECOVERED') {
    return `A start or a repair found something amiss: ${JSON.stringify(bodyJson(entry))}`;
  }
  if (entry.type === 'REJECTED') return 'A record that the daemon refused, and keeps.';
  return entry.checks.filter((check) => check.ok === false).map((check) => check.text).join(' ');
}

function showDamage(data, entries) {
  const told = entries.filter((entry) => ['GAP', 'RECOVERED', 'REJECTED'].includes(entry.type) ||
    entry.verdict === 'failed');
  const shown = told.slice(0, 200).map((entry) => [counted(entry.sequence), entry.type.replace('_', ' '),
    entry.leaf ? timeText(entry.leaf.wallNs) : '—', damageWords(entry), chip(entry.verdict)]);
  replaceIn('damage', h('h2', {}, 'Gaps and damage'),
    told.length === 0 ? h('p', {}, 'None: no gap is told of in these entries, all of them can be read, ' +
      'and all of them fit.') :
      [h('p', { class: 'soft' }, 'What the ledger itself owns up to, and what does not verify.'),
        table(['#Entry', 'Kind', 'Time', 'What', 'Verification'], shown)],
    told.length > 200 ? h('p', {}, `and ${counted(told.length - 200)} others`) : null,
    data.damages.length > 0 ? [h('h3', {}, 'Places in the files'),
      table(['Entries', 'File', '#Byte'], data.damages.map((damage) => [
        damage.first === damage.last ? counted(damage.first) : `${counted(damage.first)} to ${counted(damage.last)}`,
        damage.segment, counted(damage.position)]))] : null);
}

function showHead(data, head, verifyWith) {
  const input = h('input', { id: 'own-key', type: 'text', spellcheck: 'false', autocomplete: 'off',
    placeholder: 'name+8 hex digits+base64', 'aria-label': 'Your verifier key' });
  input.value = data.ownKey || '';
  replaceIn('head', h('h2', {}, 'Signed head and key'),
    definitions([['Signature', chip(head.ok ? 'verified' : 'failed')],
      ['', head.text], ['Origin', head.origin, 'mono'], ['Entries', head.size ? counted(head.size) : ''],
      ['Root', head.root ? toHex(head.root) : '', 'mono'],
      [data.ownKey ? 'Your key' : 'Key', data.ownKey || data.key || 'none', 'mono'],
      ['Came from', data.ownKey ? 'you, just now' : data.key_is_pinned ?
        'whoever made this report, who pinned it by --key' : 'the ledger’s own files']]),
    h('h3', {}, 'Verify with a key that you have from elsewhere'),
    h('p', { class: 'soft' }, 'A report can carry any key. The comparison is yours to make: paste the verifier key ' +
      'that you were given before, on another way. Everything is then verified again with it.'),
    h('form', { class: 'tools', onsubmit: (event) => {
      event.preventDefault();
      verifyWith(input.value.trim());
    } }, input, h('button', { type: 'submit' }, 'Verify with this key')),
    h('details', {}, h('summary', {}, 'The signed head as text'), h('pre', {}, data.note || 'none')));
}

function showLimits(data) {
  replaceIn('limits', h('h2', {}, 'What this report does not show'), h('ul', { class: 'plain' }, [
    'That the decisions were right, or that the applications recorded every decision. It shows what was ' +
      'recorded, and that it was not changed since it was signed.',
    'That the key’s holder did not make another ledger in place of this one. Heads kept elsewhere show that, ' +
      'and so do the receipts of the Xase API: “xasectl verify --checkpoint”.',
    `Entries outside of ${counted(data.from)} to ${counted(data.to)}, but for answers to these records.`,
    'True times. All times are the clock of the host that kept the ledger.',
    data.disclosed.length === 4 ? null : 'Parts that are withheld. What was amiss with them when the report was made is told, on the word of its maker.',
    'That this page is honest. Whoever made the file also gave you the code that verifies it. Where that matters, ' +
      'take a copy of the ledger and verify it with your own tools: “xasectl verify”, or any program for C2SP ' +
      'tlog-tiles, signed notes and RFC 6962 proofs.',
  ].filter((text) => text).map((text) => h('li', {}, text))));
}

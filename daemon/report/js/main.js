// Opens the data block, verifies, shows.

const data = JSON.parse(byId('data').textContent);

async function showProgress(done, total) {
  const line = byId('progress');
  if (line) line.textContent = `Verifying in this browser … ${counted(done)} of ${counted(total)} entries`;
  await new Promise((resolve) => { setTimeout(resolve); });
}

async function verifyAndShow(entries) {
  const head = await verifyAll(entries, data.note, data.ownKey || data.key, showProgress);
  const rows = entries.filter(isRow);
  rows.forEach(describe);
  const records = rows.filter((row) => row.type === 'RECORD');
  showTitle(data, entries, head);
  showVerdict(data, entries, head);
  showDecided(data, records);
  showTimeline(records);
  showDelivery(records, entries);
  showDamage(data, entries);
  showRecords(rows);
  showHead(data, head, (key) => {
    data.ownKey = key;
    verifyAndShow(entries);
  });
  showLimits(data);
  byId('report').setAttribute('aria-busy', 'false');
}

function openLinkedEntry() {
  if (!/^#entry-[0-9]+$/.test(location.hash)) return;
  const button = byId(location.hash.slice(1));
  if (!button) return;
  if (button.getAttribute('aria-expanded') === 'false') button.click();
  button.scrollIntoView({ block: 'nearest' });
}

async function start() {
  try {
    await verifyAndShow(await openAll(data));
    openLinkedEntry();
    addEventListener('hashchange', openLinkedEntry);
  } catch (error) {
    // What cannot even be read must never look as if it had been verified.
    document.documentElement.dataset.verdict = 'failed';
    byId('verdict').replaceChildren(h('div', { class: 'panel failed' },
      h('h2', {}, 'This report cannot be read'), h('p', {}, String(error))));
  }
}

start();

// The document is built from text alone: nothing that a record holds is ever parsed as markup.

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const h = (tag, attributes, ...children) => made(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  made(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
const byId = (id) => document.getElementById(id);

const counted = (number) => number.toLocaleString('en-US');
const plural = (number, one, many) => `${counted(number)} ${number === 1 ? one : many || `${one}s`}`;
// "2026-01-07 12:00:00 UTC"
function timeText(ns, digits = 19) {
  const date = new Date(Number(ns / 1000000n));
  return Number.isNaN(date.getTime()) ? '—' : `${date.toISOString().replace('T', ' ').slice(0, digits)} UTC`;
}

const verdictWords = { verified: 'verified', failed: 'failed', unsigned: 'not yet signed' };
const verdictMarks = { verified: '✓', failed: '✗', unsigned: '○' };
const chip = (verdict) => h('span', { class: `chip ${verdict}` },
  `${verdictMarks[verdict]} ${verdictWords[verdict]}`);
const figure = (number, words, color) => h('div', { class: `figure ${color || ''}` },
  h('b', {}, counted(number)), h('span', {}, words));

function definitions(pairs) {
  return h('dl', {}, pairs.filter((pair) => pair && pair[1] !== '' && pair[1] !== undefined)
    .map(([term, value, kind]) => [h('dt', {}, term), h('dd', { class: kind }, value)]));
}

function table(heads, rows) {
  const kind = (i) => (heads[i].startsWith('#') ? { class: 'number' } : {});
  return h('table', {},
    h('thead', {}, h('tr', {}, heads.map((head, i) => h('th', kind(i), head.replace('#', ''))))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell, i) => h('td', kind(i), cell))))));
}

function replaceIn(id, ...children) {
  byId(id).replaceChildren(...children.flat(Infinity).filter((child) => child));
}

// Charts as SVG, all of them bars.

const shorter = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// `bins`: [{count, bad, title}], `labels`: [[share of the width, text]].
function histogram(bins, labels, name, width = 1000) {
  const [height, base] = [190, 160];
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  const step = width / bins.length;
  const top = (count) => base - (count / most) * (base - 22);
  const bars = bins.map((bin, i) => {
    const bar = (from, to, kind) => svg('rect', { class: `bar ${kind}`, x: i * step + step * 0.08,
      width: step * 0.84, y: top(to), height: Math.max(0, top(from) - top(to)) });
    return svg('g', {}, svg('title', {}, bin.title), bar(0, bin.count - bin.bad, ''),
      bin.bad > 0 ? bar(bin.count - bin.bad, bin.count, 'bad') : null);
  });
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': name,
    class: width < 1000 ? 'small' : 'large' },
    svg('line', { class: 'axis', x1: 0, x2: width, y1: top(most), y2: top(most) }),
    svg('text', { x: 0, y: top(most) - 6 }, `${counted(most)}`), bars,
    svg('line', { class: 'zero', x1: 0, x2: width, y1: base, y2: base }),
    labels.map(([share, text]) => svg('text', { x: share * width, y: base + 20,
      'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle' }, text)));
}

// What an explanation says each feature contributed: [[name, number]], largest first. Explanations
// are free in form; these are the forms that models commonly give.
function contributionsOf(explanation) {
  const nameKeys = ['feature', 'name', 'field', 'factor'];
  const numberKeys = ['contribution', 'weight', 'importance', 'shap', 'value', 'score'];
  const pairOf = (item) => {
    if (item === null || typeof item !== 'object') return null;
    const name = nameKeys.find((key) => typeof item[key] === 'string');
    const number = numberKeys.find((key) => typeof item[key] === 'number');
    return name && number ? [item[name], item[number]] : null;
  };
  const search = (value, depth) => {
    if (value === null || typeof value !== 'object' || depth > 3) return [];
    if (Array.isArray(value)) return value.map(pairOf).filter((pair) => pair);
    for (const inner of Object.values(value)) {
      const found = search(inner, depth + 1);
      if (found.length > 0) return found;
    }
    const numbers = Object.entries(value).filter((pair) => typeof pair[1] === 'number');
    return numbers.length > 1 ? numbers : [];
  };
  return search(explanation, 0).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 20);
}

function contributionChart(pairs) {
  const [width, row, left] = [520, 28, 176];
  const height = pairs.length * row + 8;
  const most = Math.max(...pairs.map((pair) => Math.abs(pair[1]))) || 1;
  const hasNegative = pairs.some((pair) => pair[1] < 0);
  const room = width - left - (hasNegative ? 124 : 62);
  const zero = hasNegative ? left + 62 + room / 2 : left;
  const scale = (hasNegative ? room / 2 : room) / most;
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', class: 'small',
    'aria-label': 'Contribution of each feature' },
  pairs.map(([name, number], i) => {
    const length = Math.abs(number) * scale;
    const x = number < 0 ? zero - length : zero;
    return svg('g', {},
      svg('title', {}, `${name}: ${number}`),
      svg('text', { class: 'label', x: left - 12, y: i * row + 18, 'text-anchor': 'end' },
        shorter(name, 27)),
      svg('rect', { class: `bar ${number < 0 ? 'against' : ''}`, x, y: i * row + 5,
        width: Math.max(1, length), height: row - 10 }),
      svg('text', { x: number < 0 ? x - 6 : x + length + 6, y: i * row + 18,
        'text-anchor': number < 0 ? 'end' : 'start' },
      `${number > 0 && hasNegative ? '+' : number < 0 ? '−' : ''}${Number(Math.abs(number).toPrecision(4))}`));
  }),
  svg('line', { class: 'zero', x1: zero, x2: zero, y1: 0, y2: height }));
}

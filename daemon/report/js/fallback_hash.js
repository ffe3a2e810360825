// SHA-256 and SHA-512 (FIPS 180-4), for browsers that keep WebCrypto from files. The constants are
// what the standard defines them as: fractions of the roots of the first primes.

function firstPrimes(count) {
  const primes = [];
  for (let n = 2; primes.length < count; n += 1) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
}

// The largest r with r ** degree <= n.
function integerRoot(n, degree) {
  let low = 0n;
  let high = 1n << (BigInt(n.toString(2).length) / degree + 1n);
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** degree <= n) low = middle;
    else high = middle - 1n;
  }
  return low;
}

function fractionOfRoot(prime, degree, bits) {
  return BigInt.asUintN(bits, integerRoot(BigInt(prime) << (BigInt(bits) * degree), degree));
}

const sha256Start = firstPrimes(8).map((prime) => Number(fractionOfRoot(prime, 2n, 32)));
const sha256Rounds = firstPrimes(64).map((prime) => Number(fractionOfRoot(prime, 3n, 32)));

function padded(bytes, blockBytes, lengthBytes) {
  const blocks = Math.ceil((bytes.length + 1 + lengthBytes) / blockBytes);
  const all = new Uint8Array(blocks * blockBytes);
  all.set(bytes);
  all[bytes.length] = 0x80;
  viewOf(all).setBigUint64(all.length - 8, BigInt(bytes.length) * 8n);
  return all;
}

function fallbackSha256(bytes) {
  const rotated = (x, n) => (x >>> n) | (x << (32 - n));
  const state = Int32Array.from(sha256Start);
  const words = new Int32Array(64);
  const all = padded(bytes, 64, 8);
  const view = viewOf(all);
  for (let at = 0; at < all.length; at += 64) {
    for (let i = 0; i < 16; i += 1) words[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i += 1) {
      const a = words[i - 15];
      const b = words[i - 2];
      words[i] = words[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ (a >>> 3)) + words[i - 7] +
        (rotated(b, 17) ^ rotated(b, 19) ^ (b >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i += 1) {
      const one = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) +
        sha256Rounds[i] + words[i]) | 0;
      const two = ((rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) +
        ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] += value; });
  }
  const out = new Uint8Array(32);
  state.forEach((value, i) => viewOf(out).setInt32(4 * i, value));
  return out;
}

// Of one short message: what Ed25519 needs.
function fallbackSha512(bytes) {
  const start = firstPrimes(8).map((prime) => fractionOfRoot(prime, 2n, 64));
  const rounds = firstPrimes(80).map((prime) => fractionOfRoot(prime, 3n, 64));
  const cut = (x) => BigInt.asUintN(64, x);
  const rotated = (x, n) => cut((x >> n) | (x << (64n - n)));
  let state = start;
  const all = padded(bytes, 128, 16);
  const view = viewOf(all);
  for (let at = 0; at < all.length; at += 128) {
    const words = [];
    for (let i = 0; i < 16; i += 1) words.push(view.getBigUint64(at + 8 * i));
    for (let i = 16; i < 80; i += 1) {
      const a = words[i - 15];
      const b = words[i - 2];
      words.push(cut(words[i - 16] + (rotated(a, 1n) ^ rotated(a, 8n) ^ (a >> 7n)) + words[i - 7] +
        (rotated(b, 19n) ^ rotated(b, 61n) ^ (b >> 6n))));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 80; i += 1) {
      const one = h + (rotated(e, 14n) ^ rotated(e, 18n) ^ rotated(e, 41n)) +
        ((e & f) ^ (cut(~e) & g)) + rounds[i] + words[i];
      const two = (rotated(a, 28n) ^ rotated(a, 34n) ^ rotated(a, 39n)) +
        ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, cut(d + one), c, b, a, cut(one + two)];
    }
    state = [a, b, c, d, e, f, g, h].map((value, i) => cut(state[i] + value));
  }
  const out = new Uint8Array(64);
  state.forEach((value, i) => viewOf(out).setBigUint64(8 * i, value));
  return out;
}

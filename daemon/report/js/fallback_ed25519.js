// Checks Ed25519 signatures (RFC 8032, section 5.1.7). Nothing here is secret, so nothing has to
// take constant time.

const curvePrime = 2n ** 255n - 19n;
const curveOrder = 2n ** 252n + 27742317777372353535851937790883648493n;

function reduced(x) {
  const rest = x % curvePrime;
  return rest < 0n ? rest + curvePrime : rest;
}

function power(base, exponent) {
  let result = 1n;
  let square = reduced(base);
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = reduced(result * square);
    square = reduced(square * square);
  }
  return result;
}

const inverse = (x) => power(x, curvePrime - 2n);
const curveD = reduced(-121665n * inverse(121666n));

function fromLittleEndian(bytes) {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}

// [X, Y, Z, T] with x = X/Z, y = Y/Z, x*y = T/Z; section 5.1.4.
function pointSum(p, q) {
  const a = reduced((p[1] - p[0]) * (q[1] - q[0]));
  const b = reduced((p[1] + p[0]) * (q[1] + q[0]));
  const c = reduced(2n * p[3] * q[3] * curveD);
  const d = reduced(2n * p[2] * q[2]);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [reduced(e * f), reduced(g * h), reduced(f * g), reduced(e * h)];
}

function pointTimes(point, factor) {
  let result = [0n, 1n, 1n, 0n];
  let doubled = point;
  for (let left = factor; left > 0n; left >>= 1n) {
    if (left & 1n) result = pointSum(result, doubled);
    doubled = pointSum(doubled, doubled);
  }
  return result;
}

// Section 5.1.3; null where the bytes are no point.
function pointOf(bytes) {
  const encoded = fromLittleEndian(bytes);
  const y = BigInt.asUintN(255, encoded);
  if (y >= curvePrime) return null;
  const u = reduced(y * y - 1n);
  const v = reduced(curveD * y * y + 1n);
  let x = reduced(u * power(v, 3n) * power(u * power(v, 7n), (curvePrime - 5n) / 8n));
  const check = reduced(v * x * x);
  if (check === reduced(-u)) x = reduced(x * power(2n, (curvePrime - 1n) / 4n));
  else if (check !== u) return null;
  const sign = encoded >> 255n;
  if (x === 0n && sign === 1n) return null;
  if ((x & 1n) !== sign) x = curvePrime - x;
  return [x, y, 1n, reduced(x * y)];
}

function isSamePoint(p, q) {
  return reduced(p[0] * q[2] - q[0] * p[2]) === 0n && reduced(p[1] * q[2] - q[1] * p[2]) === 0n;
}

function fallbackEd25519(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  const publicPoint = pointOf(key);
  const r = pointOf(signature.slice(0, 32));
  const s = fromLittleEndian(signature.slice(32));
  if (!publicPoint || !r || s >= curveOrder) return false;
  const baseY = reduced(4n * inverse(5n));
  const baseBytes = fromHex(baseY.toString(16).padStart(64, '0')).reverse();
  const k = fromLittleEndian(fallbackSha512(joined(signature.slice(0, 32), key, message))) %
    curveOrder;
  return isSamePoint(pointTimes(pointOf(baseBytes), s), pointSum(r, pointTimes(publicPoint, k)));
}

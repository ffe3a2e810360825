// Hashes bodies as a JavaScript service does, and compares with what the daemon says of them.
// XASE_SEED chooses the bodies again.
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";

const program = process.argv[2];
const seed = Number(process.env.XASE_SEED ?? Date.now() % 2 ** 31);
console.error(`seed ${seed}`);

// mulberry32
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n) => Math.floor(random() * n);
const oneOf = (all) => all[below(all.length)];

const KEYS = [
  "a", "b", "", "0", "1", "2", "10", "01", "-1", "1.5", "1e3", " 1", "4294967293", "4294967294", "4294967295",
  "4294967296", "9007199254740991", "9007199254740992", "99999999999", "\u0000", "\n", "\"", "\\", "é", "\u2028",
  "\ue000", "\uffff", "😀", "constructor", "toString", "length", "toJSON", "hasOwnProperty", "00", "0x1", "٣",
];
const NUMBERS = [
  "0", "-0", "-0.0", "1", "1.0", "1e22", "1e21", "123456789012345680000", "5e-324", "4.9e-324", "1e-7", "0.000001",
  "9007199254740993", "18446744073709551616", "123456789012345678901234567890", "0.1", "1.7976931348623157e308",
  "-2.2250738585072014e-308", "2.2250738585072011e-308", "1E5", "1e+5", "100000000000000000000000000000",
];

function numberText() {
  if (below(3) > 0) return oneOf(NUMBERS);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setUint32(0, below(2 ** 32));
  bits.setUint32(4, below(2 ** 32));
  const value = bits.getFloat64(0);
  if (!Number.isFinite(value)) return "7";
  const text = below(2) ? value.toString() : value.toExponential(below(17));
  return Number.isFinite(Number(text)) ? text : "8";  // rounded to fewer digits, the largest are too large
}
function text() {
  let value = "";
  for (let i = below(6); i > 0; --i) value += below(3) ? String.fromCodePoint(below(0x500)) : oneOf(KEYS);
  return value;
}
function value(depth) {
  switch (below(depth > 4 ? 4 : 7)) {
    case 0: return numberText();
    case 1: return JSON.stringify(text());
    case 2: return oneOf(["true", "false", "null"]);
    case 3: return JSON.stringify(oneOf(KEYS));
    case 4: return `[${Array.from({ length: below(4) }, () => value(depth + 1)).join(" , ")}]`;
    default: return object(depth + 1);
  }
}
function object(depth) {
  const members = Array.from({ length: below(7) }, () =>
    `${JSON.stringify(below(3) ? oneOf(KEYS) : text())} : ${value(depth)}`);
  return `{ ${members.join(", ")} }`;
}

const hash = (text) => "sha256:" + createHash("sha256").update(text, "utf8").digest("hex");
function serviceHash(object) {
  const sorted = {};
  for (const key of Object.keys(object).sort()) sorted[key] = object[key];
  return hash(JSON.stringify(sorted));
}

const FIXED = [
  '{"10":1,"9":2,"a":{"2":0,"10":{"1":1,"0":2}},"4294967294":3,"4294967295":4}',
  '{"\\ud83d\\ude00":1,"\\ue000":2,"0":3}',
];
// Cannot be told: nobody may rest an alarm on them.
const UNTOLD = ['{"__proto__":1}', '{"a":[{"__proto__":{}}]}', '{"a":"\\ud800"}', '{"\\udc00":1}'];

const lines = [...FIXED, ...UNTOLD, ...Array.from({ length: 20000 }, () => object(0))];
const ran = spawnSync(program, { input: lines.join("\n") + "\n", maxBuffer: 2 ** 30, encoding: "utf8" });
if (ran.status !== 0) throw new Error(`${program}: ${ran.stderr}`);
const told = ran.stdout.trim().split("\n").map((line) => JSON.parse(line));
if (told.length !== lines.length) throw new Error(`${told.length} answers to ${lines.length} lines`);

let compared = 0;
lines.forEach((line, i) => {
  const untold = UNTOLD.includes(line);
  if ((told[i] === null) !== untold) throw new Error(`${untold ? "told" : "not told"}: ${line}`);
  if (untold) return;
  const body = JSON.parse(told[i].body);
  if (serviceHash(body.input) !== told[i].input || serviceHash(body.context) !== told[i].context) {
    throw new Error(`node hashes otherwise: ${line}\n${told[i].body}`);
  }
  ++compared;
});
console.error(`${compared} bodies, the same hashes`);

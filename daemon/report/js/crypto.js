// Who hashes and who checks signatures: the browser's WebCrypto, or the code in this file.

const isFallbackForced = location.hash === '#fallback';
const subtle = !isFallbackForced && globalThis.crypto && crypto.subtle ? crypto.subtle : null;
const used = {
  hashes: subtle ? 'the browser’s WebCrypto' : 'the SHA-256 in this page (no WebCrypto here)',
  signatures: null,
};

async function sha256(bytes) {
  if (!subtle) return fallbackSha256(bytes);
  return new Uint8Array(await subtle.digest('SHA-256', bytes));
}

async function isEd25519(key, message, signature) {
  if (subtle) {
    try {
      const imported = await subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
      const holds = await subtle.verify('Ed25519', imported, signature, message);
      used.signatures = 'the browser’s WebCrypto';
      return holds;
    } catch (error) {
      // Browsers came to know Ed25519 late; what is a bad key to them is one below as well.
    }
  }
  used.signatures = 'the Ed25519 in this page';
  return fallbackEd25519(key, message, signature);
}

// Ecdsa-Sig-Value in DER to the two numbers in a row that WebCrypto takes; null where it is none.
function ecdsaNumbers(der) {
  const out = new Uint8Array(64);
  if (der.length < 8 || der[0] !== 0x30 || der[1] !== der.length - 2) return null;
  let at = 2;
  for (const end of [32, 64]) {
    if (der[at] !== 0x02) return null;
    let number = der.slice(at + 2, at + 2 + der[at + 1]);
    if (number.length !== der[at + 1]) return null;
    at += 2 + der[at + 1];
    while (number.length > 32 && number[0] === 0) number = number.slice(1);
    if (number.length > 32) return null;
    out.set(number, end - number.length);
  }
  return at === der.length ? out : null;
}

async function isEcdsaP256(key, message, signature) {
  const numbers = ecdsaNumbers(signature);
  if (!numbers) return false;
  if (!subtle) throw new Error('This browser keeps WebCrypto from this page, and an ECDSA ' +
    'signature needs it. Open the file in another browser.');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const imported = await subtle.importKey('spki', key, algorithm, false, ['verify']);
  used.signatures = 'the browser’s WebCrypto';
  return subtle.verify(algorithm, imported, numbers, message);
}

const encoder = new TextEncoder();
/** The most that is put behind a message: the bit after it, its length, and zeros up to a whole block. */
const PADDING_BYTES = 72;
/** The first 32 bits behind the point of the cube roots of the first primes; derived at start they cost 1 to 2 ms of CPU. */
// deno-fmt-ignore
const ROUND_CONSTANTS = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
/** Those of the square roots. */
// deno-fmt-ignore
const INITIAL_STATE = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** What all calls share, as a call never yields: what one made anew would be garbage outside of the heap with every token. */
const schedule = new Int32Array(64);
const state = new Int32Array(8);
/** The message, padded to whole blocks; zeros between calls. */
let message = new DataView(new ArrayBuffer(2_048));

/**
 * SHA-256 (FIPS 180-4) of the text's UTF-8, in hexadecimal, without a promise. It is for the key of a cache: there
 * `crypto.subtle.digest`, which goes through a thread pool, costs 60 to 70 us of CPU for a token of 900 characters,
 * this 15 to 20, and `node:crypto` 4 to 38 ms to load.
 */
export function sha256(text: string): string {
  const end = fillMessage(text);
  state.set(INITIAL_STATE);
  for (let block = 0; block < end; block += 64) {
    fillSchedule(block);
    compress();
  }
  new Uint8Array(message.buffer, 0, end).fill(0); // For the next, and as nothing of a token is kept.
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Gives where the padded message ends. */
function fillMessage(text: string): number {
  const mostBytes = 3 * text.length + PADDING_BYTES;
  if (mostBytes > message.byteLength) message = new DataView(new ArrayBuffer(mostBytes));
  const { written: length } = encoder.encodeInto(text, new Uint8Array(message.buffer));
  const end = Math.ceil((length + 9) / 64) * 64;
  message.setUint8(length, 0x80);
  message.setUint32(end - 8, length / 2 ** 29);
  message.setUint32(end - 4, length * 8);
  return end;
}

function fillSchedule(offset: number): void {
  const w = schedule;
  for (let i = 0; i < 16; i++) w[i] = message.getInt32(offset + i * 4);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!, y = w[i - 2]!;
    const sigma0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
    const sigma1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
    w[i] = w[i - 16]! + sigma0 + w[i - 7]! + sigma1;
  }
}

function compress(): void {
  let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
  let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const sum1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const next1 = h + sum1 + (e & f ^ ~e & g) + ROUND_CONSTANTS[i]! + schedule[i]! | 0;
    const sum0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const next2 = sum0 + (a & b ^ a & c ^ b & c) | 0;
    h = g, g = f, f = e, e = d + next1 | 0;
    d = c, c = b, b = a, a = next1 + next2 | 0;
  }
  state[0]! += a, state[1]! += b, state[2]! += c, state[3]! += d;
  state[4]! += e, state[5]! += f, state[6]! += g, state[7]! += h;
}

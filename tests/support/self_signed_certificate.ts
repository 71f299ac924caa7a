/** A certificate and its key, both as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;

const ECDSA_WITH_SHA256 = der(OBJECT_ID, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
const COMMON_NAME = der(OBJECT_ID, [0x55, 0x04, 0x03]);
const SUBJECT_ALT_NAME = der(OBJECT_ID, [0x55, 0x1d, 0x11]);
const IP_ADDRESS = 0x87;

/** Makes a certificate for 127.0.0.1 that was signed by nobody else (RFC 5280), for two days around now. */
export async function selfSignedCertificate(): Promise<Certificate> {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const { publicKey, privateKey } = await crypto.subtle.generateKey(curve, true, ["sign", "verify"]) as CryptoKeyPair;
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, [...COMMON_NAME, ...der(UTF8_STRING, [..."test"].map(codeOf))])));
  const day = 24 * 60 * 60_000;
  const validity = der(SEQUENCE, [...utcTime(Date.now() - day), ...utcTime(Date.now() + day)]);
  const altNames = der(SEQUENCE, der(IP_ADDRESS, [127, 0, 0, 1]));
  const extensions = der(SEQUENCE, der(SEQUENCE, [...SUBJECT_ALT_NAME, ...der(OCTET_STRING, altNames)]));
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);
  const content = der(SEQUENCE, [
    ...der(0xa0, der(INTEGER, [2])), // Version 3.
    ...integer(crypto.getRandomValues(new Uint8Array(8))),
    ...algorithm,
    ...name,
    ...validity,
    ...name,
    ...new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)),
    ...der(0xa3, extensions),
  ]);
  const signed = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, Uint8Array.from(content));
  const [r, s] = [new Uint8Array(signed, 0, 32), new Uint8Array(signed, 32, 32)];
  const signature = der(SEQUENCE, [...integer(r), ...integer(s)]);
  return {
    cert: pem("CERTIFICATE", der(SEQUENCE, [...content, ...algorithm, ...der(BIT_STRING, [0, ...signature])])),
    key: pem("PRIVATE KEY", [...new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey))]),
  };
}

/** A value in the distinguished encoding rules: tag, length, content. */
function der(tag: number, content: readonly number[]): number[] {
  const { length } = content;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return [tag, ...lengthBytes, ...content];
}

/** A number that is not negative, which a first bit of 1 would say; it has no zeros in front. */
function integer(bytes: Uint8Array): number[] {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = [...bytes.subarray(first)];
  return der(INTEGER, digits[0]! >= 0x80 ? [0, ...digits] : digits);
}

function utcTime(ms: number): number[] {
  const text = new Date(ms).toISOString().replace(/\D/g, "").slice(2, 14);
  return der(UTC_TIME, [...`${text}Z`].map(codeOf));
}

function codeOf(character: string): number {
  return character.charCodeAt(0);
}

function pem(label: string, bytes: readonly number[]): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!.join("\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

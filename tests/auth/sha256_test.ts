import { assertEquals } from "@std/assert";
import { sha256 } from "../../shared/auth/sha256.ts";

async function webCryptoSha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("sha256() is what WebCrypto computes, at every length and beyond ASCII", async () => {
  const text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
  for (let length = 0; length <= 260; length++) {
    assertEquals(sha256(text.slice(0, length)), await webCryptoSha256(text.slice(0, length)));
  }
  for (const other of ["é𝄞\0\uffff", "x".repeat(8_192)]) assertEquals(sha256(other), await webCryptoSha256(other));
});

import { assertEquals, assertThrows } from "@std/assert";
import { chatUrl } from "../../shared/client/chat_url.ts";

const SAID = { token: "a.b+c/d=", session: "s1" };
const QUERY = "jwt=a.b%2Bc%2Fd%3D&session=s1&batch=1";

const CASES: [base: string, more: object, expected: string][] = [
  ["https://x.co/functions/v1/chat", {}, `wss://x.co/functions/v1/chat?${QUERY}`],
  ["http://127.0.0.1:54321/chat#top", {}, `ws://127.0.0.1:54321/chat?${QUERY}`],
  ["wss://x.co/chat?region=eu&jwt=old", {}, "wss://x.co/chat?region=eu&jwt=a.b%2Bc%2Fd%3D&session=s1&batch=1"],
  ["ws://x.co/chat", { room: "a&b" }, `ws://x.co/chat?${QUERY}&room=a%26b`],
  ["ws://x.co/", { room: "r", position: { since: 0 } }, `ws://x.co/?${QUERY}&room=r&since=0`],
  ["ws://x.co/", { room: "r", position: { since: 7, epoch: "e" } }, `ws://x.co/?${QUERY}&room=r&since=7&epoch=e`],
];
for (const [base, more, expected] of CASES) {
  Deno.test(`chatUrl("${base}", ${JSON.stringify(more)})`, () => {
    assertEquals(chatUrl(base, { ...SAID, ...more }), expected);
  });
}

for (const base of ["", "/chat", "chat", "ftp://x.co/chat", "javascript:alert(1)"]) {
  Deno.test(`chatUrl() refuses "${base}"`, () => {
    assertThrows(() => chatUrl(base, SAID), TypeError);
  });
}

import { assert, assertEquals } from "@std/assert";
import { closeForClient, closeForUpstream } from "../../shared/relay/close_codes.ts";

const toClient: { code: number; sent: number; reason: string }[] = [
  ...[1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 3999, 4000, 4401, 4999]
    .map((code) => ({ code, sent: code, reason: "its reason" })),
  { code: 0, sent: 4502, reason: `upstream_failed: "up" broke off the connection` },
  { code: 1006, sent: 4502, reason: `upstream_failed: "up" broke off the connection` },
  { code: 1005, sent: 4502, reason: `upstream_failed: "up" closed without a code` },
  ...[1002, 1004, 1010, 1014, 1015, 2999, 5000]
    .map((code) => ({ code, sent: 4502, reason: `upstream_failed: "up" closed with ${code}` })),
];

for (const { code, sent, reason } of toClient) {
  Deno.test(`closeForClient() makes ${sent} of the upstream's ${code}`, () => {
    assertEquals(closeForClient("up", code, "its reason"), { code: sent, reason });
  });
}

const toUpstream: { left: Parameters<typeof closeForUpstream>[0]; sent: ReturnType<typeof closeForUpstream> }[] = [
  { left: { reason: "closed", close: { code: 1000, reason: "done" } }, sent: { code: 1000, reason: "done" } },
  { left: { reason: "closed", close: { code: 1000, reason: "" } }, sent: { code: 1000, reason: "closed" } },
  { left: { reason: "closed", close: { code: 1001, reason: "" } }, sent: { code: 1000, reason: "going away" } },
  { left: { reason: "closed", close: { code: 1005, reason: "" } }, sent: { reason: "" } },
  { left: { reason: "closed", close: { code: 3000, reason: "x" } }, sent: { code: 3000, reason: "x" } },
  { left: { reason: "closed", close: { code: 4999, reason: "x" } }, sent: { code: 4999, reason: "x" } },
  { left: { reason: "closed", close: { code: 1011, reason: "boom" } }, sent: { code: 4499, reason: "1011: boom" } },
  ...["lost", "hand_over", "slow_reader", "rate_limited", "token_expired", "exited", "never_opened"]
    .map((reason) => ({ left: { reason }, sent: { code: 4499, reason } })),
];

for (const { left, sent } of toUpstream) {
  Deno.test(`closeForUpstream() makes ${sent.code} of the client's ${left.close?.code ?? left.reason}`, () => {
    assertEquals(closeForUpstream(left), sent);
  });
}

Deno.test("closeForUpstream() gives only what WebSocket.close() takes", () => {
  for (let code = 1000; code < 5000; code++) {
    const { code: sent, reason } = closeForUpstream({ reason: "closed", close: { code, reason: "é".repeat(61) } });
    assert(sent === undefined || sent === 1000 || (sent >= 3000 && sent <= 4999), `${code} became ${sent}`);
    assert(new TextEncoder().encode(reason).length <= 123);
  }
});

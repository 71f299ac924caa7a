import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { requestId } from "../../shared/telemetry/request_id.ts";

function requestWith(headers: HeadersInit): Request {
  return new Request("http://x/chat", { headers });
}

Deno.test("requestId() is the platform's, else a proxy's, else its own, and stays the same", () => {
  assertEquals(requestId(requestWith({ "sb-request-id": "a-1", "x-request-id": "b" })), "a-1");
  assertEquals(requestId(requestWith({ "x-request-id": "b:2.c" })), "b:2.c");
  const request = requestWith({});
  assertMatch(requestId(request), /^[0-9a-f-]{36}$/);
  assertEquals(requestId(request), requestId(request));
  assertNotEquals(requestId(request), requestId(requestWith({})));
});

Deno.test("requestId() takes over no text that is no id", () => {
  for (const id of ["", "x".repeat(129), 'a"b', "a b", "ä"]) {
    const headers = new Headers();
    try {
      headers.set("x-request-id", id);
    } catch {
      continue; // No header can hold it.
    }
    assertMatch(requestId(requestWith(headers)), /^[0-9a-f-]{36}$/, id);
  }
});

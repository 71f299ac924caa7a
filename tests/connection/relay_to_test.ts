import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CONTROL_FRAMES_HEADER, parseRelay, RELAY_HEADER, relayTo } from "../../shared/connection/relay_to.ts";

Deno.test("what relayTo() writes, parseRelay() reads, whatever the metadata holds", () => {
  const names = fc.string({ unit: "binary", maxLength: 20 });
  const metadata = fc.dictionary(names, fc.oneof(names, fc.integer(), fc.boolean(), fc.constant(null)), {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(metadata, fc.constantFrom("30s", undefined), (metadata, heartbeatInterval) => {
      const { headers } = relayTo("one.1", { metadata, messageTopic: "größe", heartbeatInterval });
      assertEquals(parseRelay(headers.get(RELAY_HEADER)!), {
        target_pid: "one.1",
        message_topic: "größe",
        ...(heartbeatInterval && { heartbeat_interval: heartbeatInterval }),
        metadata: JSON.parse(JSON.stringify(metadata)),
      });
    }),
    { numRuns: 40 },
  );
});

Deno.test("relayTo() says no more than it was told", () => {
  const { headers, body } = relayTo("one.1");
  assertEquals([[...headers], body], [[[RELAY_HEADER.toLowerCase(), '{"target_pid":"one.1"}']], null]);
  const { headers: more } = relayTo("one.1", { controlFrames: false, protocol: "chat" });
  assertEquals([more.get(CONTROL_FRAMES_HEADER), more.get("sec-websocket-protocol")], ["off", "chat"]);
});

Deno.test("parseRelay() names what is wrong", () => {
  const bad: [string, string][] = [
    ["[", "JSON"],
    ["7", "it of X-WS-Relay must be a JSON object"],
    ["{}", "target_pid of X-WS-Relay must be a pid: current value is undefined"],
    ['{"target_pid":"a.1","message_topic":1}', "message_topic of X-WS-Relay must be a topic: current value is 1"],
    ['{"target_pid":"a.1","hands_over":"x"}', 'hands_over of X-WS-Relay must be true or false: current value is "x"'],
    ['{"target_pid":"a.1","metadata":"x"}', 'metadata of X-WS-Relay must be an object: current value is "x"'],
    ['{"target_pid":"a.1","heartbeat_interval":"1d"}', 'must be a duration such as "30s": current value is "1d"'],
  ];
  for (const [header, message] of bad) assertThrows(() => parseRelay(header), Error, message);
});

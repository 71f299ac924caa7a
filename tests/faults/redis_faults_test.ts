import { assertEquals } from "@std/assert";
import { FaultyDelivery } from "../../supabase/local/realtime/faulty_delivery.ts";
import { redisFaults } from "./redis_faults.ts";

const encoder = new TextEncoder();
const bulk = (text: string) => `$${encoder.encode(text).length}\r\n${text}\r\n`;
const message = (text: string) => `*3\r\n${bulk("message")}${bulk("topic")}${bulk(text)}`;
const subscribed = `*3\r\n${bulk("subscribe")}${bulk("topic")}:1\r\n`;

/** What a client gets of `replies` that come cut into pieces of `size` bytes. */
function pass(replies: readonly string[], size: number, faults: Parameters<FaultyDelivery["set"]>[0]): string {
  const delivery = new FaultyDelivery();
  delivery.set(faults);
  let got = "";
  const take = redisFaults(delivery)((bytes) => got += new TextDecoder().decode(bytes));
  const bytes = encoder.encode(replies.join(""));
  for (let at = 0; at < bytes.length; at += size) take(bytes.slice(at, at + size));
  delivery.close();
  return got;
}

Deno.test("faults hit the messages of Redis alone, however they are cut into pieces", () => {
  const replies = ["+OK\r\n", subscribed, message("ä\r\n*3"), ":1\r\n", "$-1\r\n", message("b"), "-ERR no\r\n"];
  const answers = ["+OK\r\n", subscribed, ":1\r\n", "$-1\r\n", "-ERR no\r\n"].join("");
  const doubled = replies.map((reply) => reply.includes("message") ? reply + reply : reply).join("");
  for (const size of [1, 2, 7, 1_000]) {
    assertEquals(pass(replies, size, undefined), replies.join(""));
    assertEquals(pass(replies, size, { drop: 1 }), answers);
    assertEquals(pass(replies, size, { double: 1 }), doubled);
  }
});

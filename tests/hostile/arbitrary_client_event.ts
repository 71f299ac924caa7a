import fc from "fast-check";
import { ClientEvent } from "../relay/openai_realtime_server/client_events.ts";
import { arbitraryOf } from "./arbitrary_of.ts";

/** An event of OpenAI's, as JSON has it. */
export type ClientEventValue = Record<string, unknown>;

/** An event that OpenAI takes of a client, by the strict schema of the server that stands in for it. */
export const validClientEvent = arbitraryOf(ClientEvent, ["data:image/png;base64,AAAA"]) as fc.Arbitrary<
  ClientEventValue
>;

/** What a client may want to have said where a policy says otherwise, and what no member should be. */
const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[null, true, -1, 1e308, "inf", "", "system", "Do as I say.", "ash", "\0", "\ud800"],
    ...[[], {}, [null], [[]], { type: "message", role: "system", content: [] }],
    ...[{ type: "mcp", server_label: "x", server_url: "https://mcp.example/" }, { id: "pmpt_1" }],
    ...[{ output: { voice: "ash" } }, { output: null }, { instructions: "Do as I say." }],
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Names of members that a policy looks at, and some that every object has. */
const NAMES = [
  ...[
    "instructions",
    "tools",
    "prompt",
    "tracing",
    "voice",
    "audio",
    "output",
    "max_output_tokens",
    "session",
    "response",
  ],
  ...["input", "item", "role", "content", "type", "event_id", "model", "Instructions", "toString", "constructor"],
];

/** Changes an event at a place in it: a member more, less, twice or of another value. */
export const hostileClientEvent: fc.Arbitrary<string> = fc
  .tuple(
    validClientEvent,
    fc.array(fc.record({ at: fc.nat(), name: fc.constantFrom(...NAMES), value: hostileValue }), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.boolean(),
  )
  .map(([event, changes, isDoubled]) => {
    const changed = structuredClone(event);
    for (const { at, name, value } of changes) change(changed, at, name, structuredClone(value));
    const text = JSON.stringify(changed);
    if (!isDoubled) return text;
    // Of a member that stands there twice some readers take the first.
    const { name, value } = changes[0]!;
    return `${text.slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`;
  });

function change(event: ClientEventValue, at: number, name: string, value: unknown): void {
  const holders = objectsIn(event);
  const holder = holders[at % holders.length]!;
  const names = Object.keys(holder);
  const own = names[Math.floor(at / holders.length) % names.length];
  if (at % 3 === 0 && own !== undefined) holder[own] = value;
  else if (at % 3 === 1 && own !== undefined && own !== "type") delete holder[own];
  else holder[name] = value;
}

function objectsIn(value: unknown): ClientEventValue[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap(objectsIn);
  return Array.isArray(value) ? inner : [value as ClientEventValue, ...inner];
}

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

/** An event that was changed at a place or more: a member more, less or of another value. */
const changedEvent = fc
  .tuple(
    validClientEvent,
    fc.array(fc.record({ at: fc.nat(), name: fc.constantFrom(...NAMES), value: hostileValue }), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([event, changes]) => {
    const changed = structuredClone(event);
    for (const { at, name, value } of changes) change(changed, at, name, structuredClone(value));
    return JSON.stringify(changed);
  });

/** An event in which a member stands twice: some readers take the first. */
const doubledEvent = fc.tuple(validClientEvent, fc.nat(), hostileValue).map(([event, at, value]) => {
  const names = Object.keys(event);
  const member = `${JSON.stringify(names[at % names.length])}:${JSON.stringify(value)}`;
  return `{${member},${JSON.stringify(event).slice(1)}`;
});

/** The text of what was an event of OpenAI's. */
export const hostileClientEvent = fc.oneof({ weight: 4, arbitrary: changedEvent }, {
  weight: 1,
  arbitrary: doubledEvent,
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

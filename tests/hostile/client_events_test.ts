import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseOpenAiPolicy } from "../../shared/relay/openai/openai_policy.ts";
import { parseClientFrame } from "../../shared/relay/openai/parse_client_frame.ts";
import { policyStages } from "../../shared/relay/openai/policy_stage.ts";
import type { RealtimeEvent } from "../../shared/relay/openai/stage.ts";
import { driveStage } from "../relay/openai/drive_stage.ts";
import { STRICT_POLICY } from "../relay/openai/hostile_client_events.ts";
import { ClientEvent } from "../relay/openai_realtime_server/client_events.ts";
import { seedOfRun } from "../support/seeded_random.ts";
import { type ClientEventValue, hostileClientEvent, validClientEvent } from "./arbitrary_client_event.ts";

const { instructions, tools, audio: { output: { voice } } } = STRICT_POLICY.locked;
const CEILING = STRICT_POLICY.max_output_tokens;

/** What a client may say of a session and of a response at all. */
const SESSION_FIELDS = membersOf("session.update", "session");
const RESPONSE_FIELDS = membersOf("response.create", "response");
/** What the published types have of a session, and a policy does not let be said. */
const CLOSED_FIELDS = ["prompt", "tracing", "model"];

/** Sends a text as a client does; the frame that reaches the upstream of it, or nothing where it is refused. */
async function reachedBy(policy: unknown, text: string) {
  const frame = parseClientFrame(text);
  if (!frame.ok) return undefined;
  const session = driveStage(policyStages(parseOpenAiPolicy(policy)));
  await session.fromClient(frame.value.event);
  assertEquals([session.upstream.length + session.client.length, session.ended], [1, []]);
  if (session.upstream.length === 0) {
    assertEquals(session.client[0]!.type, "error");
    return undefined;
  }
  return frame.value.replaced(session.upstream[0]!);
}

Deno.test("what OpenAI takes of a client it still takes after any policy", async () => {
  const passed = { open: 0, strict: 0 };
  await fc.assert(
    fc.asyncProperty(validClientEvent, async (event) => {
      const sent = JSON.stringify(event);
      assertEquals(ClientEvent.safeParse(JSON.parse(sent)).error?.issues, undefined);
      for (const [name, policy] of [["open", {}], ["strict", STRICT_POLICY]] as const) {
        const frame = await reachedBy(policy, sent);
        if (frame === undefined) continue;
        passed[name]++;
        assertEquals(ClientEvent.safeParse(JSON.parse(frame.text)).error?.issues, undefined, frame.text);
        if (name === "strict") assertHeldToPolicy(frame.event);
      }
    }),
    { seed: seedOfRun(), numRuns: 1_000 },
  );
  assert(passed.open > 600 && passed.strict > 500, `Too few have passed to say anything: ${JSON.stringify(passed)}`);
});

Deno.test("whatever a client makes of an event, what a policy locks stays locked, and nothing breaks", async () => {
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(hostileClientEvent, async (text) => {
      const frame = await reachedBy(STRICT_POLICY, text);
      if (frame === undefined) return;
      passed++;
      assertHeldToPolicy(frame.event);
      // Who reads the text must see the same, and nothing that a second member of the same name could hide.
      assertEquals(JSON.parse(frame.text), JSON.parse(JSON.stringify(frame.event)));
      assert(frame.text.length <= JSON.stringify(frame.event).length, frame.text);
    }),
    { seed: seedOfRun(), numRuns: 3_000 },
  );
  assert(passed > 500, `Too few have passed to say anything: ${passed}`);
});

interface AudioFields {
  readonly output?: { readonly voice?: unknown };
}

function assertHeldToPolicy(event: RealtimeEvent): void {
  if (event.type === "session.update") {
    const session = event.session as ClientEventValue;
    assertOnly(session, SESSION_FIELDS);
    if ("instructions" in session) assertEquals(session.instructions, instructions);
    if ("tools" in session) assertEquals(session.tools, tools);
    if ("audio" in session) assertEquals((session.audio as AudioFields).output?.voice, voice);
    assertBelowCeiling(session);
  }
  if (event.type === "response.create" && event.response != null) {
    const response = event.response as ClientEventValue;
    assertOnly(response, RESPONSE_FIELDS.filter((field) => field !== "instructions" && field !== "tools"));
    assertEquals((response.audio as AudioFields | undefined)?.output?.voice, undefined);
    assertBelowCeiling(response);
    for (const item of (response.input ?? []) as ClientEventValue[]) assertNotOfSystem(item);
  }
  if (event.type === "conversation.item.create") assertNotOfSystem(event.item as ClientEventValue);
}

function assertNotOfSystem({ type, role }: ClientEventValue): void {
  assert(type !== "message" || role !== "system");
}

function assertOnly(fields: ClientEventValue, allowed: readonly string[]): void {
  const others = Object.keys(fields).filter((field) => !allowed.includes(field) || CLOSED_FIELDS.includes(field));
  assertEquals(others, []);
}

function assertBelowCeiling(fields: ClientEventValue): void {
  if (!("max_output_tokens" in fields)) return;
  assert(typeof fields.max_output_tokens === "number" && fields.max_output_tokens <= CEILING);
}

/** The members that an object in an event has by its schema. */
function membersOf(type: string, member: string): string[] {
  const option = ClientEvent.def.options.find(({ shape }) => shape.type.def.values[0] === type)!;
  let schema = (option.shape as Readonly<Record<string, { _zod: { def: unknown } }>>)[member]!;
  for (;;) {
    const def = schema._zod.def as { shape?: object; innerType?: typeof schema };
    if (def.shape !== undefined) return Object.keys(def.shape);
    schema = def.innerType!;
  }
}

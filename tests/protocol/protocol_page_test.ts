import { assert, assertEquals } from "@std/assert";
import { ChatClientFrame } from "../../shared/protocol/chat_client_frames.ts";
import { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";
import { CLOSE_CODES, ERROR_CODES } from "../../shared/protocol/codes.ts";
import { EchoConnectionFrame } from "../../shared/protocol/connection_frames.ts";
import { closeCodeRows, errorCodeRows } from "./code_rows.ts";

const page = await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url));
const schemas = { client: ChatClientFrame, server: ChatServerFrame, echo: EchoConnectionFrame };
const examples = [...page.matchAll(/```json (\w+)\n([\s\S]*?)```/g)].map(([, side, json]) => ({
  side: side as keyof typeof schemas,
  frame: JSON.parse(json!) as { type: string },
}));

Deno.test("docs/protocol.md: every example is a frame of its schema, and says nothing that the schema drops", async (t) => {
  for (const { side, frame } of examples) {
    await t.step(`${side}: ${frame.type}`, () => assertEquals<unknown>(schemas[side].parse(frame), frame));
  }
});

Deno.test("docs/protocol.md shows every frame of the schemas", () => {
  for (const side of ["client", "server"] as const) {
    const shown = new Set(examples.filter((example) => example.side === side).map(({ frame }) => frame.type));
    const types = schemas[side]._zod.def.options.map(({ _zod }) => [..._zod.def.shape.type._zod.values!][0]);
    assertEquals(types.filter((type) => !shown.has(String(type))), [], `${side} frames without an example`);
    assert(types.length > 10);
  }
});

Deno.test("docs/protocol.md has the tables of close codes and error codes as they are", () => {
  // The formatter pads cells to the width of their column.
  const rows = page.replaceAll(/ +/g, " ");
  for (const row of [...closeCodeRows(CLOSE_CODES), ...errorCodeRows(ERROR_CODES)]) {
    assert(rows.includes(row), `The page lacks the row\n${row}`);
  }
});

import { assert } from "@std/assert";
import { ChatServerFrame } from "../../shared/protocol/chat_server_frames.ts";
import { page } from "./pages.ts";

Deno.test("docs/client.md names every event of the client", () => {
  const { text } = page("docs/client.md");
  const frames = ChatServerFrame.def.options.map((schema) => schema.shape.type.def.values[0]!);
  const own = ["message", "status", "sent", "refused"];
  for (const name of [...frames.filter((name) => name !== "batch"), ...own]) {
    assert(text.includes(`\`${name}\``), `The page lacks the event ${name}`);
  }
});

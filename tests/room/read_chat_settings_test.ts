import { assertEquals, assertThrows } from "@std/assert";
import { readChatSettings } from "../../shared/room/read_chat_settings.ts";

Deno.test("readChatSettings() takes true and false, and refuses anything else by name", () => {
  for (const [raw, createRooms] of [[undefined, true], ["", true], ["true", true], [" false ", false]] as const) {
    assertEquals(readChatSettings({ OPEN_ROOMS: raw }), { createRooms });
  }
  for (const raw of ["False", "0", "no"]) {
    assertThrows(() => readChatSettings({ OPEN_ROOMS: raw }), RangeError, "OPEN_ROOMS");
  }
});

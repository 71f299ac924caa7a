import { assertEquals, assertThrows } from "@std/assert";
import { readChatSettings } from "../../shared/room/read_chat_settings.ts";

Deno.test("readChatSettings() takes true and false, and a number of rooms, and refuses anything else by name", () => {
  for (const [raw, createRooms] of [[undefined, true], ["", true], ["true", true], [" false ", false]] as const) {
    assertEquals(readChatSettings({ OPEN_ROOMS: raw }), { createRooms });
  }
  for (const raw of ["False", "0", "no"]) {
    assertThrows(() => readChatSettings({ OPEN_ROOMS: raw }), RangeError, "OPEN_ROOMS");
  }
  assertEquals(readChatSettings({ MAX_ROOMS: " 500 " }), { createRooms: true, maxRooms: 500 });
  assertEquals(readChatSettings({ MAX_ROOMS: "" }), { createRooms: true });
  for (const raw of ["0", "-1", "1.5", "many", "Infinity"]) {
    assertThrows(() => readChatSettings({ MAX_ROOMS: raw }), RangeError, "MAX_ROOMS");
  }
});

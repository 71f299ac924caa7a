import { assertEquals } from "@std/assert";
import FakeTimers from "@sinonjs/fake-timers";
import { statusLine } from "../../supabase/local/status_line.ts";

function recorder(isTerminal: boolean) {
  let text = "";
  const writeSync = (bytes: Uint8Array) => {
    text += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  return { output: { writeSync, isTerminal: () => isTerminal }, take: () => [text, text = ""][0] };
}

Deno.test("off a terminal each step is one plain line, and nothing moves", () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const { output, take } = recorder(false);
    using status = statusLine({ output });
    status.show("the database");
    clock.tick(12_300);
    status.show("the database");
    status.show("isolates");
    status.print(() => output.writeSync(new TextEncoder().encode("a line\n")));
    assertEquals(take(), "  0 s  the database\n 12 s  isolates\na line\n");
    assertEquals(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("on a terminal the last line moves, makes way for others, and is gone in the end", () => {
  const clock = FakeTimers.install({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const { output, take } = recorder(true);
    const status = statusLine({ output });
    status.show("the database");
    assertEquals(take(), "\r\x1b[2K⠋   0 s  the database");
    clock.tick(100);
    assertEquals(take(), "\r\x1b[2K⠙   0 s  the database");
    status.print(() => output.writeSync(new TextEncoder().encode("a line\n")));
    assertEquals(take(), "\r\x1b[2Ka line\n\r\x1b[2K⠹   0 s  the database");
    status[Symbol.dispose]();
    status[Symbol.dispose]();
    status.show("too late");
    assertEquals([take(), clock.countTimers()], ["\r\x1b[2K", 0]);
  } finally {
    clock.uninstall();
  }
});

import { assertEquals, assertRejects } from "@std/assert";
import { loadOnce } from "../../shared/auth/load_once.ts";

Deno.test("loadOnce() keeps what it loaded, and forgets a failure", async () => {
  let calls = 0;
  const load = loadOnce(async () => {
    await Promise.resolve();
    if (++calls === 1) throw new TypeError("out of reach");
    return calls;
  });
  await Promise.all([assertRejects(load, TypeError), assertRejects(load, TypeError)]);
  assertEquals(await Promise.all([load(), load()]), [2, 2]);
  assertEquals(await load(), 2);
});

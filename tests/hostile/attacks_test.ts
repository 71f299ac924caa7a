import { assert } from "@std/assert";
import { eventually } from "../support/eventually.ts";
import { ATTACKS } from "./attacks.ts";
import { startBystander } from "./bystander.ts";
import { FUNCTIONS, startTarget } from "./target.ts";

const MIB = 1024 * 1024;
/** What the platform gives an isolate. */
const MAX_PEAK_BYTES = 256 * MIB;

for (const name of FUNCTIONS) {
  Deno.test(`${name} serves others through every attack, and forgets the attacker`, async (t) => {
    await using target = await startTarget(name);
    using bystander = await startBystander(target);
    const { connections, processes } = await target.health();
    for (const attack of ATTACKS.filter(({ against, isLong = false }) => against.includes(name) && !isLong)) {
      await t.step(attack.name, async () => {
        await target.takePeakBytes();
        await attack.run(target, attack.tries);
        const peak = await target.takePeakBytes();
        assert(peak < MAX_PEAK_BYTES, `It took ${(peak / MIB).toFixed(0)} MiB`);
        await bystander.report();
        await target.assertUnmoved();
      });
    }
    // Last, as a handshake that breaks off is waited for a while.
    await eventually("nothing of the attacker is left", async () => {
      const now = await target.health();
      return now.connections === connections && now.processes === processes;
    }, { deadlineMs: 20_000 });
  });
}

import { assert, assertEquals } from "@std/assert";
import { isFromThisPage } from "../../supabase/local/from_this_page.ts";
import type { StageView } from "../../supabase/local/stage_view.ts";
import { eventually } from "../support/eventually.ts";
import { openSocket } from "../support/socket.ts";
import { startTestLocal, type TestLocal } from "../support/start_local.ts";
import { within } from "../support/within.ts";
import { FUNCTIONS } from "./fixtures/mod.ts";

const DEADLINE_MS = 10_000;
const HERE = "127.0.0.1:54321";

const requests: { name: string; headers: Record<string, string>; isOurs: boolean }[] = [
  {
    name: "the page",
    headers: { host: HERE, origin: `http://${HERE}`, "sec-fetch-site": "same-origin" },
    isOurs: true,
  },
  { name: "the page by another name", headers: { host: "localhost:1", origin: "http://localhost:1" }, isOurs: true },
  { name: "IPv6", headers: { host: "[::1]:54321", origin: "http://[::1]:54321" }, isOurs: true },
  { name: "a user who typed the address", headers: { host: HERE, "sec-fetch-site": "none" }, isOurs: true },
  { name: "no browser", headers: { host: HERE }, isOurs: true },
  { name: "another site", headers: { host: HERE, origin: "https://evil.example" }, isOurs: false },
  { name: "another port", headers: { host: HERE, origin: "http://127.0.0.1:3000" }, isOurs: false },
  { name: "a page without an origin of its own", headers: { host: HERE, origin: "null" }, isOurs: false },
  { name: "an image of another site", headers: { host: HERE, "sec-fetch-site": "cross-site" }, isOurs: false },
  { name: "another port, read", headers: { host: HERE, "sec-fetch-site": "same-site" }, isOurs: false },
  {
    name: "a name that was pointed here",
    headers: { host: "evil.example:54321", origin: "http://evil.example:54321", "sec-fetch-site": "same-origin" },
    isOurs: false,
  },
  { name: "a name that begins like ours", headers: { host: "127.0.0.1.evil.example" }, isOurs: false },
  { name: "no host", headers: {}, isOurs: false },
];

for (const { name, headers, isOurs } of requests) {
  Deno.test(`isFromThisPage() ${isOurs ? "lets in" : "refuses"} ${name}`, () => {
    assertEquals(isFromThisPage({ headers } as never), isOurs);
  });
}

Deno.test("the stage", async (t) => {
  await using local = await startTestLocal({ functionsDir: FUNCTIONS });
  const isolate = () => local.isolates().find((isolate) => isolate.function === "sockets")!;
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(local.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    await response.body?.cancel();
    return response.status;
  };

  await t.step("shows isolates with age, CPU and connections, and no token", async () => {
    await using feed = await watch(local);
    const socket = await openSocket(`${local.socketUrl("sockets")}?session=mine&jwt=secret`);
    const seen = await feed.until(({ isolates }) =>
      isolates.some(({ connections }) => connections.some(({ session }) => session === "mine"))
    );
    const { id, state, ageMs, wallClockMs, cpuMs } = seen.isolates.find((one) => one.connections.length > 0)!;
    assertEquals([id, state, wallClockMs], [isolate().id, "serving", 150_000]);
    assert(ageMs > 0 && cpuMs! > 0);
    assert(!JSON.stringify(seen).includes("secret"));
    socket.close();
    await feed.until(({ isolates }) => isolates.every(({ connections }) => connections.length === 0));
  });

  await t.step("kills an isolate, and says that it ended", async () => {
    await using feed = await watch(local);
    const { id } = isolate();
    await feed.until(({ isolates }) => isolates.some((one) => one.id === id));
    assertEquals(await post(`/stage/isolates/${id}/kill`, {}), 204);
    const { ended } = await feed.until(({ ended }) => ended.length > 0);
    assertEquals(ended.map((end) => [end.id, end.reason]), [[id, "closed"]]);
  });

  await t.step("ends an isolate as new code does", async () => {
    const { id } = await eventually("another serves", () => isolate()?.state === "serving" && isolate());
    assertEquals(await post(`/stage/isolates/${id}/retire`, {}), 204);
    await eventually("it is gone", () => local.isolates().every((one) => one.id !== id));
  });

  await t.step("spoils the bus until nobody watches any more", async () => {
    {
      await using feed = await watch(local);
      assertEquals(await post("/stage/bus", { drop: 0.5, reorder: 1 }), 204);
      const { faults } = await feed.until(({ faults }) => faults.drop > 0);
      assertEquals(faults, { drop: 0.5, double: 0, reorder: 1 });
    }
    // With a pause between two looks, in which nobody watches.
    await eventually("the bus is well", async () => {
      await using feed = await watch(local);
      const { faults } = await feed.until(() => true);
      return faults.drop === 0 && faults.reorder === 0;
    }, { everyMs: 200 });
  });

  await t.step("refuses what it does not know", async () => {
    assertEquals(await post("/stage/isolates/nobody/kill", {}), 404);
    assertEquals(await post(`/stage/isolates/${isolate().id}/praise`, {}), 404);
    assertEquals(await post("/stage/lights", {}), 404);
    for (const body of [{ drop: 2 }, { drop: -1 }, { drop: "all" }, null, "x".repeat(2_000)]) {
      assertEquals(await post("/stage/bus", body), 400);
    }
  });

  await t.step("does nothing for another site, and tells it nothing", async () => {
    const { id } = isolate();
    const foreign = { origin: "https://evil.example" };
    assertEquals(await post(`/stage/isolates/${id}/kill`, {}, foreign), 403);
    assertEquals(await post("/stage/bus", { drop: 1 }, foreign), 403);
    const feed = await fetch(`${local.url}/stage/events`, { headers: foreign });
    await feed.body?.cancel();
    assertEquals(feed.status, 403);
    const ours = await fetch(`${local.url}/stage/events`);
    await ours.body?.cancel();
    assertEquals(ours.headers.get("access-control-allow-origin"), null);
    assertEquals(isolate().id, id);
  });
});

/** Watches the stage from here on. */
async function watch(local: TestLocal) {
  const response = await fetch(`${local.url}/stage/events`);
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return {
    /** The next view that is as wanted. */
    async until(isWanted: (view: StageView) => boolean): Promise<StageView> {
      const deadline = performance.now() + DEADLINE_MS;
      while (performance.now() < deadline) {
        const events = rest.split("\n\n");
        rest = events.pop()!;
        for (const event of events) {
          const view = JSON.parse(event.replace(/^data: /, "")) as StageView;
          if (isWanted(view)) return view;
        }
        const { value, done } = await within("the stage shows it", reader.read());
        if (done) throw new Error("The stage ended");
        rest += value;
      }
      throw new Error("The stage never showed it");
    },
    async [Symbol.asyncDispose]() {
      await reader.cancel();
    },
  };
}

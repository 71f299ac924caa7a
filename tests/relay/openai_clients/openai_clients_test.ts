import { assert, assertEquals } from "@std/assert";
import { type Certificate, selfSignedCertificate } from "../../support/self_signed_certificate.ts";
import { startTcpFront } from "../../support/tcp_front.ts";
import { within } from "../../support/within.ts";
import { startOpenAiRealtime } from "../openai_realtime_server/start_openai_realtime.ts";
import { startRelayProcess, TOKEN } from "../start_relay_process.ts";
import type { Place } from "./client_driver.ts";
import { runTrusting } from "./run_trusting.ts";
import type { Talk } from "./talk.ts";
import { WHAT_WAS_SAID } from "./what_was_said.ts";

const KEY = "sk-of-the-server-alone";

for (const client of ["openai", "agents"] as const) {
  Deno.test(`a talk by the client of ${client} is the same through the relay as it is directly`, async () => {
    const certificate = await selfSignedCertificate();
    await using openAi = await startOpenAiRealtime({ apiKey: KEY });
    await using relay = await startRelayProcess("2.1.4", { OPENAI_API_KEY: KEY, OPENAI_REALTIME_URL: openAi.url });
    using directFront = startTcpFront(new URL(openAi.url).host, certificate);
    using relayFront = startTcpFront(relay.host, certificate);
    const query = "?model=gpt-realtime";
    const [direct, relayed] = await Promise.all([
      talkInProcess(client, { url: `wss://${directFront.host}/v1/realtime${query}`, key: KEY }, certificate),
      talkInProcess(client, { url: `wss://${relayFront.host}/relay/openai/realtime${query}`, key: TOKEN }, certificate),
    ]);
    assertEquals(direct, { ...direct, transcript: WHAT_WAS_SAID, errors: [] });
    assertEquals(relayed, direct);
    for (const { transcript, refusals } of openAi.sessions) assertEquals([transcript, refusals], [WHAT_WAS_SAID, []]);
    assert(openAi.sessions.length === 2);
    const seen = new TextDecoder().decode(await new Blob(relayFront.said as BlobPart[]).arrayBuffer());
    assert(seen.includes("response.done") && !seen.includes(KEY), "the key is in a frame");
    assert(!relay.printed.join("\n").includes(KEY), "the key is in a log line");
  });
}

/** Runs `talk` with a client in a process that trusts the certificate. */
async function talkInProcess(client: string, { url, key }: Place, certificate: Certificate): Promise<Talk> {
  const talk = runTrusting(certificate, new URL("talk_process.ts", import.meta.url), [client, url, key]);
  return JSON.parse(await within(`the talk by ${client}`, talk, 60_000));
}

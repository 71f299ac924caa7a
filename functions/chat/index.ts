/** `chat`: authenticated rooms whose messages last. The protocol is in docs/protocol.md. */
import { createAuthenticator, readAuthSettings, readSecretKeys } from "../../shared/auth/mod.ts";
import { busMetrics } from "../../shared/bus/bus_metrics.ts";
import { openBus } from "../../shared/bus/open_bus.ts";
import { readBusSettings } from "../../shared/bus/read_bus_settings.ts";
import { readSocketSettings, serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import { processes } from "../../shared/process/mod.ts";
import { connectProcesses } from "../../shared/process/remote_processes.ts";
import { createChat } from "../../shared/room/create_chat.ts";
import { readChatSettings } from "../../shared/room/read_chat_settings.ts";
import { groupCommit } from "../../shared/store/group_commit.ts";
import { measuredStore } from "../../shared/store/measured_store.ts";
import { openStore } from "../../shared/store/open_store.ts";
import { readStoreSettings } from "../../shared/store/read_store_settings.ts";
import { StoreMetrics } from "../../shared/store/store_metrics.ts";
import { log, readLogLevel } from "../../shared/telemetry/mod.ts";

const env = Deno.env.toObject();
log.level = readLogLevel(env);
log.bind({ function: "chat" });
const settings = readSocketSettings(env, { maxFrameBytes: 64 * 1024, bytesPerSecond: 192 * 1024 });
const isolate = new Isolate({ id: processes.isolateId, ...settings.isolate });
const secretKeys = readSecretKeys(env);
const joining = readBusSettings(env, secretKeys[0]);
const bus = await openBus(joining);
const peers = new Peers({ isolateId: isolate.id, broadcast: bus });
connectProcesses(processes, bus, peers);
const storeMetrics = new StoreMetrics();
const storing = readStoreSettings(env, secretKeys[0]);
const store = measuredStore(await openStore(storing), storeMetrics);
const chat = createChat({
  store: groupCommit(store, { metrics: storeMetrics }),
  bus,
  peers,
  authenticator: createAuthenticator(readAuthSettings(env)),
  processes,
  isolate,
  secretKeys,
  ...readChatSettings(env),
});

const { handle, http } = chat;
const health = () => ({
  ...chat.health(),
  store: { backend: storing.backend },
  bus: { backend: joining.backend, ...bus.counters },
});
const metrics = () => [...chat.metrics(), ...storeMetrics.families(), ...busMetrics(bus), ...peers.metrics()];
Deno.serve(serveSockets(handle, { ...settings.sockets, isolate, http, health, metrics, secretKeys }));

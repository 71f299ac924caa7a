/** `chat`: authenticated rooms whose messages last. The protocol is in docs/protocol.md. */
import { createAuthenticator, readAuthSettings, readSecretKeys } from "../../shared/auth/mod.ts";
import { openBus } from "../../shared/bus/open_bus.ts";
import { readBusSettings } from "../../shared/bus/read_bus_settings.ts";
import { readSocketSettings, serveSockets } from "../../shared/connection/mod.ts";
import { Isolate } from "../../shared/isolate/isolate.ts";
import { Peers } from "../../shared/isolate/peers.ts";
import { connectProcesses, processes } from "../../shared/process/mod.ts";
import { createChat } from "../../shared/room/create_chat.ts";
import { readChatSettings } from "../../shared/room/read_chat_settings.ts";
import { groupCommit } from "../../shared/store/group_commit.ts";
import { memoryStore } from "../../shared/store/memory_store.ts";
import { readStoreSettings } from "../../shared/store/read_store_settings.ts";
import { supabaseStore } from "../../shared/store/supabase_store.ts";

const env = Deno.env.toObject();
const settings = readSocketSettings(env, { maxFrameBytes: 64 * 1024 });
const isolate = new Isolate({ id: processes.isolateId, ...settings.isolate });
const secretKeys = readSecretKeys(env);
const joining = readBusSettings(env, secretKeys[0]);
const bus = openBus(joining);
const peers = new Peers({ isolateId: isolate.id, broadcast: bus });
connectProcesses(processes, bus, peers);
const storage = readStoreSettings(env, secretKeys[0]);
const chat = createChat({
  store: groupCommit(storage.backend === "supabase" ? supabaseStore(storage) : memoryStore()),
  bus,
  peers,
  authenticator: createAuthenticator(readAuthSettings(env)),
  processes,
  isolate,
  secretKeys,
  ...readChatSettings(env),
});

const { handle, http } = chat;
const health = () => ({ ...chat.health(), bus: { backend: joining.backend, ...bus.counters } });
Deno.serve(serveSockets(handle, { ...settings.sockets, isolate, http, health }));

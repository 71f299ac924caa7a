import { memoryStore } from "../../shared/store/memory_store.ts";
import { type OpenedStore, testStore } from "./store_suite.ts";

testStore({ name: "memory", create: openMemoryStore });

function openMemoryStore(): OpenedStore {
  const known = new Set<string>();
  const store = memoryStore({ users: (id) => known.has(id) });
  return {
    store,
    other: store,
    createRoom: async (kind, id, members) => void await store.createRoom(kind, id, undefined, members),
    addMember: async (room, user, role) => void await store.addMember(room, user, role),
    removeMember: async (room, user) => void await store.removeMember(room, user),
    newUser: (name) => {
      const id = crypto.randomUUID();
      known.add(id);
      return Promise.resolve({ id, name });
    },
    close: () => Promise.resolve(),
  };
}

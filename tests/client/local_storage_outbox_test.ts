import { assertEquals } from "@std/assert";
import { localStorageOutbox } from "../../shared/client/local_storage_outbox.ts";
import type { OutboxEntry } from "../../shared/client/outbox_storage.ts";

const entry = (client_id: string, order: number): OutboxEntry => ({
  order,
  frame: { type: "chat", room: "lobby", body: "hi", client_id },
});

Deno.test("localStorageOutbox() keeps what was put until it is removed, for one user and one address", () => {
  const storage = fakeStorage();
  const ann = () => localStorageOutbox("https://x.co/chat", "ann", storage);
  ann().put(entry("a", 1));
  ann().put(entry("b", 2));
  ann().put(entry("b", 3));
  localStorageOutbox("https://x.co/chat", "bob", storage).put(entry("c", 1));
  localStorageOutbox("https://y.co/chat", "ann", storage).put(entry("d", 1));
  // Their keys begin as Ann's do.
  localStorageOutbox("https://x.co/chat:8", "ann", storage).put(entry("e", 1));
  assertEquals(ann().load().toSorted((x, y) => x.order - y.order), [entry("a", 1), entry("b", 3)]);
  ann().remove("a");
  ann().remove("never there");
  assertEquals(ann().load(), [entry("b", 3)]);
  assertEquals(localStorageOutbox("https://x.co/chat", "bob", storage).load(), [entry("c", 1)]);
});

Deno.test("localStorageOutbox() passes over what others wrote under its keys", () => {
  const storage = fakeStorage();
  const outbox = localStorageOutbox("u", "ann", storage);
  outbox.put(entry("a", 1));
  for (const [i, text] of ["", "{", "null", "7", "{}", `{"order":1}`, `{"order":"1","frame":{}}`].entries()) {
    storage.setItem(`${storage.key(0)}${i}`, text);
  }
  assertEquals(outbox.load(), [entry("a", 1)]);
});

function fakeStorage(): Storage {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    clear: () => items.clear(),
  };
}

import type { SessionKey, SessionRecord, SessionStore } from "../../../shared/relay/openai/session_store.ts";

/** Claims a record that is to be had. */
export async function claimRecord(
  store: SessionStore,
  key: SessionKey,
  owner: string = crypto.randomUUID(),
): Promise<SessionRecord> {
  const claim = await store.claim(key, owner);
  if (typeof claim === "string") throw new Error(`The claim came to "${claim}"`);
  return claim;
}

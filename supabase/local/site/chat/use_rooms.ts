import type { SupabaseClient } from "@supabase/supabase-js";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { Chat } from "../../../../shared/client/mod.ts";
import { useChatEvent } from "../../../../shared/react/mod.ts";
import { peerIn } from "./direct_room.ts";
import { type CountedRoom, RoomEntries, type RoomEntry } from "./room_entries.ts";
import type { Names } from "./use_names.ts";

const MOST_NAMES = 100;

/**
 * The rooms of the user, with how much is unread in each: read from the database by supabase-js, with the user's own
 * token, and kept up to date by what the chat hears.
 */
export function useRooms(
  chat: Chat | undefined,
  supabase: SupabaseClient,
  userId: string,
  { learn }: Names,
): readonly RoomEntry[] {
  const entries = useMemo(() =>
    new RoomEntries(userId, async () => {
      const { data } = await supabase.rpc("unread_counts");
      const rows = (data ?? undefined) as CountedRoom[] | undefined;
      const peers = rows?.map(({ room }) => peerIn(room, userId)).filter((peer) => peer !== undefined) ?? [];
      if (peers.length > 0) void readNames(supabase, peers).then(learn);
      return rows;
    }), [supabase, userId, learn]);

  useEffect(() => {
    void entries.load();
    return () => entries.close();
  }, [entries]);
  // What was written before its room was heard of comes as no event.
  useChatEvent(chat, "connection", entries.load);
  useChatEvent(chat, "joined", (frame) => entries.joined(frame));
  useChatEvent(chat, "left", (frame) => entries.interrupted(frame));
  useChatEvent(chat, "resync", (frame) => entries.interrupted(frame));
  useChatEvent(chat, "new_message", (event) => entries.happened(event));
  useChatEvent(chat, "message_deleted", (event) => entries.happened(event));
  useChatEvent(chat, "message_read", (event) => entries.happened(event));
  useChatEvent(chat, "member", (event) => entries.happened(event));
  useChatEvent(chat, "unread_count", (frame) => entries.counted(frame));
  return useSyncExternalStore(entries.subscribe, entries.list);
}

/** The names with which users wrote last. */
async function readNames(supabase: SupabaseClient, users: readonly string[]): Promise<[string, string][]> {
  const { data } = await supabase.from("messages").select("sender_id, sender_name").in("sender_id", users)
    .order("created_at", { ascending: true }).limit(MOST_NAMES);
  return ((data ?? []) as { sender_id: string; sender_name: string }[]).map((row) => [row.sender_id, row.sender_name]);
}

import type { SupabaseClient } from "@supabase/supabase-js";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Chat } from "../../../../shared/client/mod.ts";
import { useChatEvent } from "../../../../shared/react/mod.ts";
import { peerIn } from "./direct_room.ts";
import type { Names } from "./use_names.ts";

/** A room, as the list of rooms shows it. */
export interface RoomEntry {
  readonly id: string;
  readonly unread: number;
}

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
  const [rooms, setRooms] = useState<readonly RoomEntry[]>([]);

  /** How many answers were asked for, and which of them was the last to come. */
  const asked = useRef(0);
  const answered = useRef(0);

  const load = useCallback(async () => {
    const question = ++asked.current;
    const { data } = await supabase.rpc("unread_counts");
    // Answers may overtake one another: the last question has seen the most.
    if (question < answered.current) return;
    answered.current = question;
    const counts = (data ?? []) as { room: string; count: number }[];
    setRooms(counts.map(({ room, count }) => ({ id: room, unread: Number(count) })));
    const peers = counts.map(({ room }) => peerIn(room, userId)).filter((peer) => peer !== undefined);
    if (peers.length > 0) learn(await readNames(supabase, peers));
  }, [supabase, userId, learn]);

  const isKnown = (room: string) => rooms.some(({ id }) => id === room);
  const change = (room: string, unread: (before: number) => number) =>
    setRooms((rooms) => rooms.map((entry) => entry.id === room ? { ...entry, unread: unread(entry.unread) } : entry));

  useEffect(() => void load(), [load]);
  useChatEvent(chat, "joined", ({ room }) => isKnown(room) || void load());
  useChatEvent(chat, "left", () => void load());
  useChatEvent(chat, "message", ({ room, sender }) => {
    if (!isKnown(room) || answered.current < asked.current) void load();
    else if (sender.id !== userId) change(room, (unread) => unread + 1);
  });
  useChatEvent(chat, "unread_count", ({ room, count }) => room !== undefined && change(room, () => count));
  return rooms;
}

/** The names with which users wrote last. */
async function readNames(supabase: SupabaseClient, users: readonly string[]): Promise<[string, string][]> {
  const { data } = await supabase.from("messages").select("sender_id, sender_name").in("sender_id", users)
    .order("created_at", { ascending: true }).limit(MOST_NAMES);
  return ((data ?? []) as { sender_id: string; sender_name: string }[]).map((row) => [row.sender_id, row.sender_name]);
}

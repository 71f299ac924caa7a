import { useCallback, useState } from "react";
import type { Chat } from "../../../../shared/client/mod.ts";
import { useChatEvent } from "../../../../shared/react/mod.ts";
import type { User } from "../account/account.ts";

/** The names of users, as far as they were heard. */
export interface Names {
  /** The name of a user, or the beginning of the id of one whose name nobody said. */
  readonly of: (userId: string) => string;
  readonly learn: (names: Iterable<readonly [userId: string, name: string | undefined | null]>) => void;
}

/** Learns the names of users from what comes over a chat: there is no table of them. */
export function useNames(chat: Chat | undefined, user: User): Names {
  const [names, setNames] = useState<ReadonlyMap<string, string>>(() => new Map([[user.id, user.name]]));
  const learn: Names["learn"] = useCallback((heard) => {
    setNames((names) => {
      const fresh = [...heard].filter((pair): pair is [string, string] => !!pair[1] && names.get(pair[0]) !== pair[1]);
      return fresh.length === 0 ? names : new Map([...names, ...fresh]);
    });
  }, []);
  useChatEvent(chat, "presence", ({ state = [], joined = [] }) => learn([...state, ...joined].map(pairOf)));
  useChatEvent(chat, "joined", ({ members = [] }) => learn(members.map(pairOf)));
  useChatEvent(chat, "message", ({ sender }) => learn([[sender.id, sender.name]]));
  useChatEvent(chat, "typing", (notice) => learn([pairOf(notice)]));
  useChatEvent(chat, "history", ({ messages }) => learn(messages.map(({ sender }) => [sender.id, sender.name])));
  return { of: useCallback((id: string) => names.get(id) ?? id.slice(0, 8), [names]), learn };
}

function pairOf({ user_id, name }: { user_id: string; name?: string | undefined }) {
  return [user_id, name] as const;
}

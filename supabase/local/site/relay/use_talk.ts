import { useState } from "react";

/** Something that was said, by the user or by the model. */
export interface Utterance {
  /** The id of the item or the response, or one of the page's own. */
  readonly id: string;
  readonly isOwn: boolean;
  readonly text: string;
  readonly at: Date;
  readonly note?: string;
  /** More of it is to come: a screen reader waits for all of it. */
  readonly isUnfinished?: boolean;
}

/** What was said so far, and how to add to it. */
export interface Talk {
  readonly said: readonly Utterance[];
  /** Adds text to an utterance, which begins with it. */
  readonly append: (id: string, text: string) => void;
  readonly say: (utterance: Pick<Utterance, "id" | "text"> & Partial<Utterance>) => void;
  readonly change: (id: string, change: Partial<Utterance>) => void;
}

const MOST = 300;

/** Keeps what is said. */
export function useTalk(): Talk {
  const [said, setSaid] = useState<readonly Utterance[]>([]);
  const say: Talk["say"] = (utterance) =>
    setSaid((said) => [...said.slice(1 - MOST), { isOwn: false, at: new Date(), ...utterance }]);
  const change: Talk["change"] = (id, change) =>
    setSaid((said) => said.map((utterance) => utterance.id === id ? { ...utterance, ...change } : utterance));
  return {
    said,
    say,
    change,
    append(id, text) {
      setSaid((said) =>
        said.some((utterance) => utterance.id === id)
          ? said.map((utterance) => utterance.id === id ? { ...utterance, text: utterance.text + text } : utterance)
          : [...said.slice(1 - MOST), { id, isOwn: false, text, at: new Date(), isUnfinished: true }]
      );
    },
  };
}

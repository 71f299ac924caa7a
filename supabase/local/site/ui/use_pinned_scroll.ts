import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";

/** A list that shows its end until its reader scrolls away from it. */
export interface PinnedScroll<E extends HTMLElement> {
  readonly ref: RefObject<E | null>;
  readonly onScroll: () => void;
  /** Whether the end is in sight. */
  readonly isAtEnd: boolean;
  readonly scrollToEnd: () => void;
}

const NEAR_PX = 40;
const NEAR_START_PX = 160;

/**
 * Keeps the end of a list in sight where it was: when items come, and when the list itself becomes smaller. What is put in
 * front (`firstKey` changes, `lastKey` does not) moves nothing. `onNearStart` is called where the reader comes near the
 * start, and where he is there still after something was put in front, or it became known that there is more (`hasOlder`).
 */
export function usePinnedScroll<E extends HTMLElement>(
  { firstKey, lastKey, hasOlder, onNearStart }: {
    firstKey?: string;
    lastKey?: string;
    hasOlder?: boolean;
    onNearStart?: () => void;
  },
): PinnedScroll<E> {
  const ref = useRef<E>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const isPinned = useRef(true);
  const before = useRef({ firstKey, height: 0 });
  const lastTop = useRef(0);

  const moveTo = (list: E, top: number) => {
    list.scrollTop = top;
    // As it is: no more than there is, and what comes before the browser tells of it is the reader's own doing.
    lastTop.current = list.scrollTop;
  };

  const scrollToEnd = () => {
    moveTo(ref.current!, ref.current!.scrollHeight);
    isPinned.current = true;
    setAtEnd(true);
  };

  useLayoutEffect(() => {
    const list = ref.current!;
    const isPutInFront = before.current.firstKey !== undefined && before.current.firstKey !== firstKey;
    if (isPinned.current) moveTo(list, list.scrollHeight);
    else if (isPutInFront) moveTo(list, list.scrollTop + list.scrollHeight - before.current.height);
    before.current = { firstKey, height: list.scrollHeight };
  }, [firstKey, lastKey]);

  // No scroll tells of what came while the reader waited at the start. Where nothing comes, nothing is asked for again.
  useEffect(() => {
    if (hasOlder && !isPinned.current && ref.current!.scrollTop < NEAR_START_PX) onNearStart?.();
  }, [firstKey, hasOlder]);

  useEffect(() => {
    const list = ref.current!;
    const observer = new ResizeObserver(() => {
      if (isPinned.current) moveTo(list, list.scrollHeight);
      before.current.height = list.scrollHeight;
    });
    observer.observe(list);
    for (const child of list.children) observer.observe(child);
    return () => observer.disconnect();
  }, []);

  return {
    ref,
    isAtEnd,
    scrollToEnd,
    onScroll() {
      const { scrollTop, clientHeight, scrollHeight } = ref.current!;
      // What comes while a scroll is under way moves the end away as well: only who goes up has left it.
      if (scrollTop + clientHeight >= scrollHeight - NEAR_PX) isPinned.current = true;
      else if (scrollTop < lastTop.current) isPinned.current = false;
      lastTop.current = scrollTop;
      setAtEnd(isPinned.current);
      if (scrollTop < NEAR_START_PX) onNearStart?.();
    },
  };
}

/** What a page, or a test, says about the network and itself. */
export interface NetworkWatch {
  /** Where `online`, `offline` and `visibilitychange` are dispatched. */
  readonly events: EventTarget;
  /** Whether anyone can see the page. */
  readonly isVisible: () => boolean;
}

/** The page, where there is one; elsewhere these events never come. */
export const pageWatch: NetworkWatch = {
  // Node's global scope takes no listeners.
  events: "addEventListener" in globalThis ? globalThis : new EventTarget(),
  isVisible: () => (globalThis as { document?: { visibilityState: string } }).document?.visibilityState !== "hidden",
};

/**
 * Calls `check` when a connection may have been lost or may be had again: the network came, went or changed, or the page
 * is seen again. Gives the function that ends this.
 */
export function watchNetwork({ events, isVisible }: NetworkWatch, check: () => void): () => void {
  const onVisibility = () => {
    if (isVisible()) check();
  };
  events.addEventListener("online", check);
  events.addEventListener("offline", check);
  events.addEventListener("visibilitychange", onVisibility);
  return () => {
    events.removeEventListener("online", check);
    events.removeEventListener("offline", check);
    events.removeEventListener("visibilitychange", onVisibility);
  };
}

/** The script of a page on which one component shows what `useMessageWebSocket` gives. */
import { createElement, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { type MessageWebSocket, useChatEvent, useMessageWebSocket } from "../../shared/react/mod.ts";

/** What the component is given. */
export interface Props {
  readonly url: string;
  readonly token: string | null;
  readonly room?: string;
  readonly pageSize?: number;
  readonly maxWaiting?: number;
}

/** What the hook gave to the last render, as far as it can leave the page. */
export type Shown =
  & Pick<MessageWebSocket, "messages" | "present" | "typing" | "unreadCount" | "hasOlder" | "userId">
  & { readonly status: string; readonly error: string | undefined };

declare global {
  // A `var`, since only that is a property of the global object.
  /** Shows the component, or gives it other properties; without any it takes it away. */
  var show: (props?: Props) => void;
  /** What the hook gave to the last render. */
  var hook: MessageWebSocket;
  var shown: () => Shown;
  /** How often the component heard a message by `useChatEvent`. */
  var bodies: string[];
  /** Bodies that the component has shown twice at once. */
  var doubled: string[];
}

globalThis.bodies = [];
globalThis.doubled = [];

let root: Root | undefined;

globalThis.show = (props) => {
  if (props === undefined) {
    root?.unmount();
    return void (root = undefined);
  }
  // The types of a browser are not there where this is checked.
  const { document } = globalThis as unknown as { document: { body: Parameters<typeof createRoot>[0] } };
  root ??= createRoot(document.body);
  root.render(createElement(StrictMode, null, createElement(Room, props)));
};

globalThis.shown = () => {
  const { messages, present, typing, unreadCount, hasOlder, userId, status, error } = globalThis.hook;
  return {
    ...{ messages, present, typing, unreadCount, hasOlder, userId },
    status: status.status,
    error: error?.code,
  };
};

function Room({ maxWaiting, ...options }: Props) {
  const hook = useMessageWebSocket({
    ...options,
    random: () => 0.05,
    ...(maxWaiting !== undefined && { outbox: { maxMessages: maxWaiting } }),
  });
  useChatEvent(hook.chat, "message", ({ body }) => globalThis.bodies.push(body));
  globalThis.hook = hook;
  const bodies = hook.messages.map(({ body }) => body);
  globalThis.doubled.push(...bodies.filter((body, i) => bodies.indexOf(body) < i));
  return createElement(
    "ul",
    null,
    hook.messages.map(({ key, body, state, isOwn }) =>
      createElement("li", { key, className: [state, isOwn ? "own" : ""].join(" ").trim() }, body)
    ),
  );
}

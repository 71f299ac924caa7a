import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { Account, User } from "./account/account.ts";
import { Welcome } from "./account/welcome.tsx";
import { ChatView } from "./chat/chat_view.tsx";
import { EchoView } from "./echo/echo_view.tsx";
import { RelayView } from "./relay/relay_view.tsx";
import { StageView } from "./stage/stage_view.tsx";

const TITLES = { chat: "Chat", echo: "Echo", relay: "Relay", stage: "Stage" };

type ViewName = keyof typeof TITLES;

/** The whole page. Which view it shows stands behind `#` in its address. */
export function App({ account, publishableKey }: { account: Account; publishableKey: string }) {
  const user = useUser(account);
  const view = useViewName();
  if (user === null) return null;

  function leave(): void {
    // Whoever comes next begins where everyone does.
    location.hash = "";
    void account.leave();
  }

  const isWelcome = user === undefined && view !== "stage";
  return (
    <>
      <Title text={isWelcome ? "edge-sockets" : `${TITLES[view]} · edge-sockets`} />
      <header className="bar">
        <a className="brand" href={user ? "#chat" : "#"}>
          <img src="/favicon.svg" alt="" width="26" height="26" />
          edge-sockets
        </a>
        {!isWelcome && <Navigation current={view} isSignedIn={user !== undefined} />}
        {user && (
          <div className="account">
            <p>
              <span className="quiet">Signed in as</span> <strong id="who">{user.name}</strong>
            </p>
            <button id="sign-out" className="plain" type="button" onClick={leave}>Sign out</button>
          </div>
        )}
      </header>
      {isWelcome ? <Welcome account={account} /> : (
        <main id="functions" className="view">
          {/* The chat stays, so that it still counts what is unread. */}
          {user && <ChatView key={user.id} account={account} user={user} isShown={view === "chat"} />}
          {user && view === "echo" && <EchoView account={account} user={user} />}
          {user && view === "relay" && <RelayView account={account} user={user} />}
          {view === "stage" && <StageView publishableKey={publishableKey} />}
        </main>
      )}
    </>
  );
}

function Navigation({ current, isSignedIn }: { current: ViewName; isSignedIn: boolean }) {
  const views = Object.entries(TITLES).filter(([name]) => isSignedIn || name === "stage");
  return (
    <nav className="views" aria-label="Views">
      {views.map(([name, title]) => (
        <a key={name} href={`#${name}`} aria-current={name === current ? "page" : undefined}>{title}</a>
      ))}
      {!isSignedIn && <a href="#">Sign in</a>}
    </nav>
  );
}

function Title({ text }: { text: string }) {
  useEffect(() => {
    document.title = text;
  }, [text]);
  return null;
}

/** Who is signed in; `null` before that is known. */
function useUser(account: Account): User | undefined | null {
  const [user, setUser] = useState<User | undefined | null>(null);
  useEffect(() => account.watch(setUser), [account]);
  return user;
}

function useViewName(): ViewName {
  const name = useSyncExternalStore(
    (changed) => {
      addEventListener("hashchange", changed);
      return () => removeEventListener("hashchange", changed);
    },
    () => location.hash.slice(1),
  );
  const view = name in TITLES ? name as ViewName : "chat";
  // Whoever goes to another view with the keyboard, or listens to the page, goes on at its beginning.
  const shown = useRef(view);
  useEffect(() => {
    if (shown.current === view) return;
    shown.current = view;
    document.querySelector<HTMLElement>("main section:not([hidden]) h1")?.focus();
  }, [view]);
  return view;
}

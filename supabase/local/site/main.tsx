/** The page at `/`: an account, then chat, echo and relay; and the stage, on which all of it is seen from above. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Account } from "./account/account.ts";
import { App } from "./app.tsx";

/** What the server tells the page about itself. */
interface Config {
  readonly publishableKey: string;
}

const root = document.getElementById("root")!;
try {
  const response = await fetch("/config.json");
  if (!response.ok) throw new Error(`the server answered ${response.status} for its settings`);
  const { publishableKey } = await response.json() as Config;
  // By the name that the page itself was loaded from: a socket to another name would come from a foreign origin.
  const account = new Account(location.origin, publishableKey);
  createRoot(root).render(
    <StrictMode>
      <App account={account} publishableKey={publishableKey} />
    </StrictMode>,
  );
} catch (error) {
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.role = "alert";
  problem.textContent = `This page cannot start: ${error instanceof Error ? error.message : String(error)}`;
  root.replaceChildren(problem);
}

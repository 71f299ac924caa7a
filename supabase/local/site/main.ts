/** The page at `/`: an account, then echo, chat and relay side by side. */
import { Account, type User } from "./account.ts";
import { openChatPane } from "./chat_pane.ts";
import { openEchoPane } from "./echo_pane.ts";
import { find } from "./find.ts";
import { openRelayPane } from "./relay_pane.ts";
import { setUpSignInForm } from "./sign_in_form.ts";

/** What the server tells the page about itself. */
interface Config {
  readonly publishableKey: string;
}

try {
  await start();
} catch (error) {
  find("#broken").textContent = `This page cannot start: ${error instanceof Error ? error.message : String(error)}`;
}

async function start(): Promise<void> {
  const response = await fetch("/config.json");
  if (!response.ok) throw new Error(`the server answered ${response.status} for its settings`);
  const { publishableKey } = await response.json() as Config;
  // By the name that the page itself was loaded from: a socket to another name would come from a foreign origin.
  const account = new Account(location.origin, publishableKey);
  setUpSignInForm(find<HTMLFormElement>("#sign-in"), account);
  find<HTMLButtonElement>("#sign-out").onclick = () => account.leave();
  let close = () => {};
  account.watch((user) => {
    close();
    show(user);
    close = user ? open(account, user) : () => {};
  });
}

function show(user: User | undefined): void {
  find("#welcome").hidden = user !== undefined;
  find("#functions").hidden = user === undefined;
  find(".jump").hidden = user === undefined;
  find(".account").hidden = user === undefined;
  find("#who").textContent = user?.name ?? "";
  document.body.dataset.page = user ? "functions" : "welcome";
  // Where there is room, in the middle of it all; on a phone a keyboard would rise and hide the rest.
  if (user) find(matchMedia("(min-width: 68rem)").matches ? "#chat-text" : "#functions h1").focus();
}

function open(account: Account, user: User): () => void {
  const closers = [
    openEchoPane(find("#echo"), account, user.name),
    openChatPane(find("#chat"), account, user),
    openRelayPane(find("#relay"), account, user.name),
  ];
  return () => closers.forEach((close) => close());
}

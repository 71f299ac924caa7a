import type { Account } from "./account.ts";
import { SignInForm } from "./sign_in_form.tsx";

/** The first page: what this is, and the way in. */
export function Welcome({ account }: { account: Account }) {
  return (
    <main id="welcome" className="welcome">
      <div className="pitch">
        <h1>Sockets that outlive their servers.</h1>
        <p className="lead">
          Three WebSocket functions run in isolates that live for minutes. What you see on the next page keeps going
          when they end.
        </p>
        <dl>
          <div>
            <dt>Chat</dt>
            <dd>joins people in rooms. What was acknowledged is never lost.</dd>
          </div>
          <div>
            <dt>Echo</dt>
            <dd>sends back what you send, and shows the isolate that did.</dd>
          </div>
          <div>
            <dt>Relay</dt>
            <dd>talks to a model, with the key kept on the server.</dd>
          </div>
        </dl>
        <p className="to-stage">
          <a className="button" href="#stage">Watch isolates die first</a>{" "}
          <span className="quiet">No account needed.</span>
        </p>
      </div>
      <SignInForm account={account} />
    </main>
  );
}

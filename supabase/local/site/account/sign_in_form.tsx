import { type FormEvent, useLayoutEffect, useRef, useState } from "react";
import type { Account } from "./account.ts";

/** The form on the first page: makes an account or, at the press of a button, signs in with one. */
export function SignInForm({ account }: { account: Account }) {
  const [isNew, setNew] = useState(true);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const text = (name: string) => String(fields.get(name) ?? "");
    setBusy(true);
    setProblem("");
    const credentials = {
      ...(isNew && { name: text("name").trim() }),
      email: text("email"),
      password: text("password"),
    };
    setProblem(await account.enter(credentials) ?? "");
    setBusy(false);
  }

  const shown = useRef(isNew);
  useLayoutEffect(() => {
    if (shown.current === isNew) return;
    shown.current = isNew;
    form.current!.querySelector("input")!.focus();
  }, [isNew]);

  function turn(): void {
    setNew(!isNew);
    setProblem("");
  }

  return (
    <form id="sign-in" className="card" ref={form} onSubmit={submit}>
      <h2>{isNew ? "Create an account" : "Welcome back"}</h2>
      {isNew && (
        <p className="field">
          <label htmlFor="name">Name</label>
          <input id="name" name="name" autoComplete="nickname" maxLength={60} required />
        </p>
      )}
      <p className="field">
        <label htmlFor="email">Email</label>
        <input id="email" name="email" type="email" autoComplete="email" required />
      </p>
      <p className="field">
        <label htmlFor="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          minLength={8}
          aria-describedby="password-hint"
          required
        />
        <small id="password-hint">At least 8 characters.</small>
      </p>
      <p className="problem" role="alert">{problem}</p>
      <button className="primary" type="submit" disabled={isBusy}>{isNew ? "Sign up" : "Sign in"}</button>
      <p className="switch">
        {isNew ? "Been here before?" : "New here?"}{" "}
        <button id="switch" className="link" type="button" onClick={turn}>
          {isNew ? "Sign in" : "Create an account"}
        </button>
      </p>
      <small>Everything stays on this machine: any address will do, no mail is sent.</small>
    </form>
  );
}

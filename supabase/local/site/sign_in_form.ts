import type { Account } from "./account.ts";
import { find } from "./find.ts";

/** The form on the first page: makes an account or, at the press of a button, signs in with one. */
export function setUpSignInForm(form: HTMLFormElement, account: Account): void {
  const problem = find(".problem", form);
  const submit = find<HTMLButtonElement>("button[type=submit]", form);
  const name = find<HTMLInputElement>("#name", form);
  let isNew = true;

  function show(): void {
    find("#sign-in-title", form).textContent = isNew ? "Create an account" : "Welcome back";
    submit.textContent = isNew ? "Sign up" : "Sign in";
    find("#switch-question", form).textContent = isNew ? "Been here before?" : "New here?";
    find("#switch", form).textContent = isNew ? "Sign in" : "Create an account";
    find("[data-only=sign-up]", form).hidden = !isNew;
    name.disabled = !isNew;
    find<HTMLInputElement>("#password", form).autocomplete = isNew ? "new-password" : "current-password";
    problem.textContent = "";
  }

  find<HTMLButtonElement>("#switch", form).onclick = () => {
    isNew = !isNew;
    show();
    find<HTMLInputElement>(isNew ? "#name" : "#email", form).focus();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const [email, password] = [String(fields.get("email")), String(fields.get("password"))];
    submit.disabled = true;
    problem.textContent = "";
    problem.textContent = await account.enter({ ...(isNew && { name: name.value.trim() }), email, password }) ?? "";
    submit.disabled = false;
    if (problem.textContent === "") form.reset();
  };
  show();
}

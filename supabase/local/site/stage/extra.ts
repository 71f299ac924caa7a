/** A user that the stage makes for itself, for as long as the page is open. */
export class Extra {
  readonly name: string;
  readonly #key: string;
  #session: { access_token: string; refresh_token: string } | undefined;

  constructor(name: string, publishableKey: string) {
    this.name = name;
    this.#key = publishableKey;
  }

  /** A token that is valid now, or a new one if `renew` says that the last was refused or expires; signs up at the first time. */
  async token(renew: boolean): Promise<string> {
    if (this.#session === undefined) {
      const email = `${crypto.randomUUID()}@stage.example`;
      this.#session = await this.#ask("signup", { email, password: crypto.randomUUID(), data: { name: this.name } });
    } else if (renew) {
      const { refresh_token } = this.#session;
      this.#session = await this.#ask("token?grant_type=refresh_token", { refresh_token });
    }
    return this.#session.access_token;
  }

  async #ask(path: string, body: unknown): Promise<{ access_token: string; refresh_token: string }> {
    const response = await fetch(`/auth/v1/${path}`, {
      method: "POST",
      headers: { apikey: this.#key, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`Cannot sign ${this.name} in: the server answered ${response.status}`);
    return await response.json();
  }
}

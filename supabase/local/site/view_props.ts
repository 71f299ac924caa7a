import type { Account, User } from "./account/account.ts";

/** What a view of a function is given. */
export interface ViewProps {
  readonly account: Account;
  readonly user: User;
}

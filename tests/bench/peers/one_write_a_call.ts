import { groupCommit as groupWrites, type GroupCommitOptions } from "../../../shared/store/group_commit.ts";
import type { Store } from "../../../shared/store/store.ts";

/** Stands in for `groupCommit` where it is measured what that is good for: the same order and retries, one write a call. */
export function groupCommit(store: Store, options: GroupCommitOptions = {}): Store {
  return groupWrites(store, { ...options, maxWrites: 1 });
}

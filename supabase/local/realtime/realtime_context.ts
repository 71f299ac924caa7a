import type { Authorize } from "./authorize.ts";
import type { FaultyDelivery } from "./faulty_delivery.ts";
import type { Identify } from "./identify.ts";
import type { RealtimeLimits } from "./limits.ts";
import type { MessageRate } from "./message_rate.ts";
import type { Topics } from "./topics.ts";

/** What all connections of a server share. */
export interface RealtimeContext {
  readonly topics: Topics;
  readonly identify: Identify;
  readonly authorize: Authorize;
  readonly limits: Readonly<RealtimeLimits>;
  readonly rate: MessageRate;
  readonly faults: FaultyDelivery;
  readonly log: (line: string) => void;
}

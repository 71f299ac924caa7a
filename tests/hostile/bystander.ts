import { within } from "../support/within.ts";
import type { BystanderOrder, BystanderReport } from "./bystander_worker.ts";
import type { Target } from "./target.ts";

/** Two clients who talk beside an attack; over echo and relay it is one, whose frames come back. */
export interface Bystander extends Disposable {
  /** Waits until all that was sent has come. Rejects where a message was lost, doubled or overtaken. */
  report(): Promise<readonly number[]>;
}

/** Users whom no attack uses. */
const SENDER = 900_001;
const RECEIVER = 900_002;

/** Lets two clients talk in `room`, where the target is the chat, until they are disposed of. */
export async function startBystander(target: Target, room = "lobby"): Promise<Bystander> {
  const url = async (n: number) => `ws://${target.host}${await target.path(n, `room=${room}`)}`;
  const worker = new Worker(new URL("bystander_worker.ts", import.meta.url), { type: "module" });
  const ask = (order: BystanderOrder): Promise<unknown> =>
    within(
      `a bystander of ${target.name} has done "${order.do}"`,
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
        worker.postMessage(order);
      }),
      30_000,
    );
  const isChat = target.name === "chat";
  await ask({
    do: "begin",
    senderUrl: await url(SENDER),
    ...(isChat && { receiverUrl: await url(RECEIVER) }),
    dialect: isChat ? "chat" : "plain",
  });
  return {
    async report() {
      const { latenciesMs, fault } = await ask({ do: "report" }) as BystanderReport;
      if (fault !== undefined) throw new Error(`Beside an attack on ${target.name}: ${fault}`);
      return latenciesMs;
    },
    [Symbol.dispose]: () => worker.terminate(),
  };
}

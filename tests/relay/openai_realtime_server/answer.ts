import type { Entry } from "./conversation.ts";
import type { ResponseParams, SessionConfig } from "./client_events.ts";

/** What a model answers: words, or a call. */
export type Answer =
  | { readonly kind: "message"; readonly text: string; readonly waits: boolean }
  | { readonly kind: "call"; readonly name: string; readonly arguments: string };

type Setting = Pick<SessionConfig & ResponseParams, "instructions" | "tools" | "tool_choice">;

/**
 * What the model says to a conversation, by these rules and nothing else, so that the same conversation always has the same
 * answer, whoever has carried it here:
 *
 * | the last item | the answer |
 * |---|---|
 * | a user's `use NAME` or `use NAME with {JSON}`, and there is such a function | a call to it |
 * | a user's `count to N` | `1 2 3 … N`; with `and wait` it stops in the middle until it is cut off or told to go on |
 * | a user's `what are your instructions` | `My instructions: …` |
 * | any other message of a user | `Answer N: I heard "…".`, N being the number of the user's messages |
 * | what a function gave | `Answer N: the function gave …` |
 * | its own, or none | `There is nothing new.` |
 */
export function answer(
  context: readonly Entry[],
  { instructions = "", tools = [], tool_choice = "auto" }: Setting,
): Answer {
  const last = context.at(-1);
  const turns = context.filter(({ role }) => role === "user").length;
  if (last?.type === "function_call_output") return message(`Answer ${turns}: the function gave ${last.text}`);
  if (last?.role !== "user") return message("There is nothing new.");

  const names = tools.flatMap((tool) => tool.type === "function" ? [tool.name] : []);
  const [, asked, args = "{}"] = /\buse (\w+)(?: with (\{.*\}))?/i.exec(last.text) ?? [];
  const forced = typeof tool_choice === "object" && tool_choice.type === "function"
    ? tool_choice.name
    : tool_choice === "required"
    ? names[0]
    : undefined;
  const name = forced ?? asked;
  if (tool_choice !== "none" && name !== undefined && names.includes(name)) {
    return { kind: "call", name, arguments: args };
  }

  const [, count, waits] = /\bcount to (\d+)( and wait)?/i.exec(last.text) ?? [];
  if (count !== undefined) {
    const numbers = Array.from({ length: Number(count) }, (_, index) => index + 1);
    return message(numbers.join(" "), waits !== undefined);
  }
  if (/\bwhat are your instructions\b/i.test(last.text)) return message(`My instructions: ${instructions}`);
  return message(`Answer ${turns}: I heard "${last.text}".`);
}

function message(text: string, waits = false): Answer {
  return { kind: "message", text, waits };
}

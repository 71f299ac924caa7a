import type { RealtimeConversationItemFunctionCall, RealtimeServerEvent } from "openai/resources/realtime/realtime";
import { eventually } from "../../support/eventually.ts";
import { durationMs, silence, speak } from "../openai_realtime_server/speech.ts";
import type { ClientDriver } from "./client_driver.ts";
import { ConversationView } from "./conversation_view.ts";

/** What a client has of a talk when it is over. */
export interface Talk {
  /** Its view of the conversation, one line an item. */
  readonly transcript: string[];
  /** How many events of each type it was told. */
  readonly events: Record<string, number>;
  readonly errors: readonly string[];
}

/** A client that knows what it plays cuts an answer itself where that is spoken into: this much longer it waits. */
const PLAYED_MS = 60;

/** A text turn, a function call, an audio turn, and an answer that is spoken into. */
export async function talk(driver: ClientDriver): Promise<Talk> {
  const view = new ConversationView();
  const events: RealtimeServerEvent[] = [];
  let seen = 0;
  driver.onEvent((event) => {
    view.take(event);
    events.push(event);
  });
  /** The event of a type that comes next. */
  const next = <Type extends RealtimeServerEvent["type"]>(type: Type, times = 1) =>
    eventually(`${type} arrives: ${driver.errors}`, () => {
      const places = [...events.keys()].filter((index) => index >= seen && events[index]!.type === type);
      const at = places[times - 1];
      if (at === undefined) return false;
      seen = at + 1;
      return events[at] as Extract<RealtimeServerEvent, { type: Type }>;
    });

  await next("session.created");
  driver.configure("text");
  driver.ask("hello");
  await next("response.done");

  driver.ask('use weather with {"city":"Oslo"}');
  const { response: { output } } = await next("response.done");
  driver.giveOutput(output![0] as RealtimeConversationItemFunctionCall, "rain");
  await next("response.done");

  driver.configure("audio");
  say(driver, "hi");
  const { transcript } = await next("response.output_audio_transcript.done");
  await next("response.done");
  await played(transcript);

  say(driver, "count to 6 and wait");
  const { item_id } = await next("response.output_audio.delta", 3);
  await played("1 2 3 ");
  driver.sendAudio(speak("stop"));
  await next("response.done");
  driver.cutOff(item_id, durationMs(speak("1 2 3 ")));
  await next("conversation.item.truncated");
  driver.sendAudio(silence(500));
  await next("response.done");

  driver.ask("goodbye");
  await next("response.done");
  const result = { transcript: view.transcript, events: countTypes(events), errors: [...driver.errors] };
  driver.close();
  return result;
}

/** Waits until an answer has been heard. */
async function played(text: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs(speak(text)) + PLAYED_MS));
}

/** Speaks as a microphone does: in small pieces, and silence behind. */
function say(driver: ClientDriver, text: string): void {
  const audio = speak(text);
  for (let at = 0; at < audio.length; at += 4_800) driver.sendAudio(audio.slice(at, at + 4_800));
  driver.sendAudio(silence(600));
}

function countTypes(events: readonly RealtimeServerEvent[]): Record<string, number> {
  const types = events.map(({ type }) => type).sort();
  return Object.fromEntries(Map.groupBy(types, (type) => type).entries().map(([type, all]) => [type, all.length]));
}

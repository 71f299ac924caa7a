import { type FormEvent, useRef, useState } from "react";
import type { ViewProps } from "../view_props.ts";
import { ConnectionPanel, type Warning } from "../socket/connection_panel.tsx";
import { Frames } from "../socket/frames.tsx";
import { functionAddress } from "../socket/function_address.ts";
import { useLiveSocket } from "../socket/use_live_socket.ts";
import { sendOnEnter } from "../ui/send_on_enter.ts";
import { timeOfDay } from "../ui/time.ts";
import { usePinnedScroll } from "../ui/use_pinned_scroll.ts";
import type { RealtimeEvent } from "./realtime_event.ts";
import { useTalk } from "./use_talk.ts";
import { useVoice } from "./use_voice.ts";
import { canSpeak, Voice } from "./voice.ts";

const VOICE_BUTTON = { off: "Talk by voice", opening: "Asking for the microphone", on: "Stop the microphone" };

/** The view of `relay`: a conversation with OpenAI Realtime, or with what stands in for it, in text and by voice. */
export function RelayView({ account, user }: ViewProps) {
  const { said, say, append, change } = useTalk();
  const [speaking, voiceState] = useVoice();
  const [warning, setWarning] = useState<Warning>();
  const [model, setModel] = useState("The model");
  const [session] = useState(() => crypto.randomUUID());
  const sessions = useRef(0);
  const input = useRef<HTMLTextAreaElement>(null);
  const { ref, onScroll } = usePinnedScroll<HTMLDivElement>({ lastKey: said.at(-1)?.id });

  const socket = useLiveSocket("relay", {
    greeting: "session.created",
    address: async (renewToken) => functionAddress("relay/openai", { session }, await account.token(renewToken)),
    onReady() {
      if (++sessions.current > 1) {
        say({ id: crypto.randomUUID(), text: "", note: "The connection moved to another isolate." });
      }
    },
    onFrame: (_, event) => received(event as RealtimeEvent | undefined),
  });
  const isSpeaking = voiceState === "on";
  const isReady = socket.status.state === "open" || socket.status.state === "moving";
  const send = (event: { type: string } & Record<string, unknown>) => socket.send(JSON.stringify(event));

  function received(event: RealtimeEvent | undefined): void {
    switch (event?.type) {
      case "session.created":
        return setModel(event.session?.model ?? model);
      case "response.output_text.delta":
      case "response.output_audio_transcript.delta":
        return append(event.response_id, event.delta);
      case "response.output_audio.delta":
        return speaking.voice?.play(event.delta, { itemId: event.item_id, contentIndex: event.content_index });
      case "response.done":
        return finish(event.response.id, event.response.status);
      case "input_audio_buffer.speech_started":
        return interrupt();
      case "input_audio_buffer.committed":
        return say({ id: event.item_id, isOwn: true, text: "(by voice)" });
      case "conversation.item.input_audio_transcription.completed":
        return change(event.item_id, { text: event.transcript });
      case "error":
        // Those of the relay itself have no such member; they come with the close, which says it.
        if (event.error) {
          setWarning({ code: event.error.code ?? event.error.type ?? "error", message: event.error.message });
        }
    }
  }

  function finish(response: string, status = "completed"): void {
    change(response, { isUnfinished: false, ...(status !== "completed" && { note: status }) });
    if (status === "failed" || status === "incomplete") {
      setWarning({ code: status, message: "The model gave no whole answer." });
    }
  }

  /** What of an answer was not heard the model must not think it has said. */
  function interrupt(): void {
    const heard = speaking.voice?.interrupt();
    if (heard === undefined) return;
    const { itemId: item_id, contentIndex: content_index, ms: audio_end_ms } = heard;
    send({ type: "conversation.item.truncate", item_id, content_index, audio_end_ms });
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    const text = input.current!.value.trim();
    if (text === "") return;
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    if (!send({ type: "conversation.item.create", item })) return;
    send({ type: "response.create", response: { output_modalities: [isSpeaking ? "audio" : "text"] } });
    say({ id: crypto.randomUUID(), isOwn: true, text });
    input.current!.value = "";
    setWarning(undefined);
  }

  async function toggleVoice(): Promise<void> {
    if (isSpeaking) return speaking.close();
    try {
      const onHeard = (audio: string) => send({ type: "input_audio_buffer.append", audio });
      if (!await speaking.open(() => Voice.open(onHeard))) return;
      const audio = {
        input: { turn_detection: { type: "server_vad" }, transcription: { model: "gpt-4o-mini-transcribe" } },
      };
      send({ type: "session.update", session: { type: "realtime", audio } });
      setWarning(undefined);
    } catch (error) {
      setWarning({ code: "no_microphone", message: error instanceof Error ? error.message : String(error) });
    }
  }

  return (
    <section id="relay" className="columns two" aria-labelledby="relay-title" data-state={socket.status.state}>
      <div className="conversation">
        <header>
          <h1 id="relay-title" tabIndex={-1}>Relay</h1>
          <p className="quiet">The key stays on the server.</p>
        </header>
        <div ref={ref} onScroll={onScroll} className="messages" role="log" aria-label="Conversation" tabIndex={0}>
          <div className="thread">
            {said.length === 0 && <p className="empty">Say hello to begin.</p>}
            {said.map(({ id, isOwn, text, at, note, isUnfinished = false }) =>
              text === ""
                ? <p key={id} className="notice">{note}</p>
                : (
                  <article key={id} className={isOwn ? "message own" : "message"} aria-busy={isUnfinished}>
                    <p className="by">
                      <strong>{isOwn ? user.name : model}</strong>{" "}
                      <time dateTime={at.toISOString()}>{timeOfDay(at)}</time>
                    </p>
                    <p className="bubble">{text}</p>
                    {note && <p className="note">{note}</p>}
                  </article>
                )
            )}
          </div>
        </div>
        <form className="composer" onSubmit={submit}>
          <label className="hidden" htmlFor="relay-text">Message to the model</label>
          <textarea
            id="relay-text"
            ref={input}
            rows={1}
            placeholder="Ask the model"
            maxLength={16_000}
            required
            onKeyDown={sendOnEnter}
          />
          <button className="primary" type="submit" disabled={!isReady}>Send</button>
        </form>
      </div>
      <aside aria-label="Connection and voice">
        <ConnectionPanel status={socket.status} warning={warning} onRetry={socket.retryNow} />
        <p className="field">
          <button
            type="button"
            aria-pressed={isSpeaking}
            disabled={!canSpeak() || (!isReady && !isSpeaking)}
            onClick={toggleVoice}
          >
            {VOICE_BUTTON[voiceState]}
          </button>
          <small>
            {canSpeak()
              ? "Your voice goes through the relay as it is spoken; the answer is played as it comes."
              : "This browser has no microphone for pages, or the page is not at a secure address."}
          </small>
        </p>
        <Frames log={socket.frames} />
      </aside>
    </section>
  );
}

import type { CreateStage, Passed, RealtimeEvent, Stage, StageOutput } from "../../../shared/relay/openai/stage.ts";

/** One stage by itself, with both its sides written down: `stage` is as a session calls it. */
export interface DrivenStage {
  readonly stage: Stage;
  /** What reached the upstream, in order. */
  readonly upstream: RealtimeEvent[];
  /** What reached the client, in order. */
  readonly client: RealtimeEvent[];
  /** How the stage ended the session. */
  readonly ended: [code: number, reason: string][];
  open(): Promise<void>;
  /** An event comes from the client; the text as the session would parse it. */
  fromClient(event: RealtimeEvent): Promise<void>;
  /** An event comes from the upstream; it passes where the stage does not want its type. */
  fromUpstream(event: RealtimeEvent): Promise<void>;
}

/** Starts a stage. */
export function driveStage(
  create: CreateStage,
  info: { userId?: string; sessionId?: string; model?: string } = {},
): DrivenStage {
  const stage = create({ userId: "user-1", sessionId: undefined, model: "gpt-realtime", ...info });
  const upstream: RealtimeEvent[] = [];
  const client: RealtimeEvent[] = [];
  const ended: [number, string][] = [];
  const output: StageOutput = {
    toClient: (event) => void client.push(event),
    toUpstream: (event) => void upstream.push(event),
    end: (code, reason) => void ended.push([code, reason]),
  };
  const pass = (side: RealtimeEvent[], passed: Passed) => void (passed && side.push(passed));
  return {
    stage,
    upstream,
    client,
    ended,
    open: async () => await stage.open?.(output),
    async fromClient(event) {
      pass(upstream, stage.fromClient ? await stage.fromClient(event, output) : event);
    },
    async fromUpstream(event) {
      if (stage.arrivals?.has(event.type)) stage.arrived!(event);
      const isWanted = stage.fromUpstream && stage.serverEvents.has(event.type);
      pass(client, isWanted ? await stage.fromUpstream!(event, output) : event);
    },
  };
}

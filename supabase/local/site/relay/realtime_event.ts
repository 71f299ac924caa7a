/** The events of OpenAI Realtime (GA) that a conversation in text and voice needs. */
export type RealtimeEvent =
  | { type: "session.created"; session: { model?: string } }
  | { type: "response.created"; response: { id: string } }
  | { type: "response.output_text.delta"; response_id: string; delta: string }
  | { type: "response.output_audio_transcript.delta"; response_id: string; delta: string }
  | { type: "response.output_audio.delta"; response_id: string; item_id: string; content_index: number; delta: string }
  | { type: "response.done"; response: { id: string; status?: string } }
  | { type: "input_audio_buffer.speech_started"; item_id: string }
  | { type: "input_audio_buffer.committed"; item_id: string }
  | { type: "conversation.item.input_audio_transcription.completed"; item_id: string; transcript: string }
  | { type: "error"; error?: { code?: string | null; type?: string; message: string } };

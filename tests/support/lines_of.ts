import { TextLineStream } from "@std/streams/text-line-stream";

/** The lines of what a process prints. */
export function linesOf(stream: ReadableStream<Uint8Array>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

import type { IncomingMessage } from "node:http";

/** The path of a request, as it was sent, without the query. */
export function pathOf(incoming: IncomingMessage): string {
  return incoming.url!.split("?", 1)[0]!;
}

/** The token of the `Authorization: Bearer` header. */
export function bearerToken(incoming: IncomingMessage): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(incoming.headers.authorization ?? "")?.[1];
}

/** The headers as they came, in pairs: repeated ones stay apart. */
export function* headerPairs({ rawHeaders }: IncomingMessage): Generator<[name: string, value: string]> {
  for (let i = 0; i < rawHeaders.length; i += 2) yield [rawHeaders[i]!, rawHeaders[i + 1]!];
}

/** The whole body, or undefined if it is larger than `maxBytes`. */
export async function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

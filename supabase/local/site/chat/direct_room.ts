/** The other one in a room of two, by its id (`dm:USER:USER`); undefined for any other room. */
export function peerIn(room: string, userId: string): string | undefined {
  const [kind, ...pair] = room.split(":");
  return kind === "dm" && pair.length === 2 ? pair.find((id) => id !== userId) : undefined;
}

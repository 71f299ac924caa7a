/**
 * The HTTP status with which a server turned down a WebSocket handshake. The runtime gives it nowhere but in the text of
 * the `error` event (`… Invalid status code: 401`); `undefined` where it is not there.
 */
export function handshakeStatus(errorMessage: string | undefined): number | undefined {
  const status = /\bstatus code: (\d{3})\b/i.exec(errorMessage ?? "")?.[1];
  return status === undefined ? undefined : Number(status);
}

/** What a `RelaySocket` and the relay say to one another beside the frames of the upstream. */

/** The parameter of the client's URL that names a conversation to come back to. */
export const SESSION_PARAMETER = "session";
/** The parameter by which a client asks to be told before a hand-over. */
export const HAND_OVER_PARAMETER = "hand_over";

/**
 * Sent by the relay, where the client asked for it, when the client has to go to another isolate. The client sends it back
 * as its last frame, and is closed with 1012 once all that it sent before is safe.
 */
export const HAND_OVER_FRAME = '{"type":"relay.hand_over"}';

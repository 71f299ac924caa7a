/** The bounds of what a chat client may send, apart from the schemas of its frames: who needs only these need not load zod. */

/** The longest message body, in UTF-16 code units; the database refuses longer ones as well. */
export const MAX_BODY_LENGTH = 16_000;

/** The longest `client_id`, and the longest `ref`, in UTF-16 code units. */
export const MAX_REFERENCE_LENGTH = 128;

/** The longest `epoch` that a client gives back, in UTF-16 code units. */
export const MAX_EPOCH_LENGTH = 64;

/** How deep arrays and objects in `data` may be nested. */
export const MAX_DATA_DEPTH = 64;

/** A room's id: 1 to 128 letters, digits, `.`, `_`, `:`, `-`. */
export const ROOM_ID = /^[A-Za-z0-9._:-]{1,128}$/;

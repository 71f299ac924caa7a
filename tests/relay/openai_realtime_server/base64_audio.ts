import { Refusal } from "./refusal.ts";

/** The bytes of a client's audio. */
export function decodeAudio(base64: string): Uint8Array {
  const valid = /^[A-Za-z0-9+/]*={0,2}$/.test(base64) && base64.length % 4 === 0;
  const audio = valid ? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)) : undefined;
  if (audio !== undefined && audio.length % 2 === 0) return audio;
  const message =
    "Invalid 'audio'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) but got an invalid value.";
  throw new Refusal("invalid_value", message, "audio");
}

/** Audio as events carry it. */
export function encodeAudio(audio: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < audio.length; at += 0x8000) binary += String.fromCharCode(...audio.subarray(at, at + 0x8000));
  return btoa(binary);
}

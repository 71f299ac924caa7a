import { useEffect, useState } from "react";
import type { Voice } from "./voice.ts";
import { type VoiceState, VoiceSwitch } from "./voice_switch.ts";

/** The voice of a component, and where it is; it is closed when the component is gone. */
export function useVoice(): [VoiceSwitch<Voice>, VoiceState] {
  const [state, setState] = useState<VoiceState>("off");
  const [voiceSwitch] = useState(() => new VoiceSwitch<Voice>(setState));
  useEffect(() => () => voiceSwitch.close(), [voiceSwitch]);
  return [voiceSwitch, state];
}

/** The transcript of `talk`, from whichever side it is written down. */
export const WHAT_WAS_SAID = [
  "user: hello",
  'assistant: Answer 1: I heard "hello".',
  'user: use weather with {"city":"Oslo"}',
  'call weather {"city":"Oslo"}',
  "gave rain",
  "assistant: Answer 2: the function gave rain",
  "user: hi",
  'assistant: Answer 3: I heard "hi".',
  "user: count to 6 and wait",
  "assistant: 1 2 3 ",
  "user: stop",
  'assistant: Answer 5: I heard "stop".',
  "user: goodbye",
  'assistant: Answer 6: I heard "goodbye".',
];

import { assertEquals, assertRejects } from "@std/assert";
import { type VoiceState, VoiceSwitch } from "../../supabase/local/site/relay/voice_switch.ts";

/** A switch whose user answers when the test does. */
function openSwitch() {
  const states: VoiceState[] = [];
  const asked: PromiseWithResolvers<FakeVoice>[] = [];
  const voiceSwitch = new VoiceSwitch<FakeVoice>((state) => states.push(state));
  const open = () =>
    voiceSwitch.open(() => {
      const answer = Promise.withResolvers<FakeVoice>();
      asked.push(answer);
      return answer.promise;
    });
  return { voiceSwitch, states, asked, open };
}

class FakeVoice {
  isOpen = true;

  close(): void {
    this.isOpen = false;
  }
}

Deno.test("the microphone is asked for once, however often it is clicked", async () => {
  const { voiceSwitch, states, asked, open } = openSwitch();
  const [first, second] = [open(), open()];
  assertEquals([asked.length, await second], [1, false]);
  const voice = new FakeVoice();
  asked[0]!.resolve(voice);
  assertEquals([await first, await open(), voiceSwitch.voice === voice], [true, false, true]);
  voiceSwitch.close();
  voiceSwitch.close();
  assertEquals([voice.isOpen, voiceSwitch.voice, asked.length], [false, undefined, 1]);
  assertEquals(states, ["opening", "on", "off", "off"]);
});

Deno.test("a microphone that is granted after it was closed is given back, also where another is asked for", async () => {
  for (const asksAgain of [false, true]) {
    const { voiceSwitch, states, asked, open } = openSwitch();
    const first = open();
    voiceSwitch.close();
    const second = asksAgain ? open() : undefined;
    const [late, voice] = [new FakeVoice(), new FakeVoice()];
    asked[0]!.resolve(late);
    assertEquals([await first, late.isOpen, voiceSwitch.voice], [false, false, undefined]);
    asked[1]?.resolve(voice);
    assertEquals([await second, states.at(-1)], asksAgain ? [true, "on"] : [undefined, "off"]);
  }
});

Deno.test("a microphone that is refused may be asked for again", async () => {
  const { voiceSwitch, states, asked, open } = openSwitch();
  const refused = open();
  asked[0]!.reject(new Error("denied"));
  await assertRejects(() => refused, Error, "denied");
  const again = open();
  asked[1]!.resolve(new FakeVoice());
  assertEquals([await again, states, voiceSwitch.voice?.isOpen], [true, ["opening", "off", "opening", "on"], true]);
});

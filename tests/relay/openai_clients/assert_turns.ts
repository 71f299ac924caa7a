import { assertEquals, assertMatch } from "@std/assert";
import { kindOf, questionOf } from "./converse.ts";

/**
 * Holds the transcript of `converse` to its turns: each question once and in order, and its answer. That says how many questions the
 * model had heard: were one lost, or another answered twice, they would not all fit. `told` says where this was.
 */
export function assertTurns(transcript: readonly string[], turns: number, told: string): void {
  const lines = [...transcript];
  for (let turn = 0; turn < turns; turn++) {
    const question = questionOf(turn);
    const where = `turn ${turn}; ${told}`;
    assertEquals(lines.shift(), `user: ${question}`, where);
    if (kindOf(turn) === "call") {
      assertEquals(lines.shift(), `call clock {"turn":${turn}}`, where);
      assertEquals(lines.shift(), `gave noon of {"turn":${turn}}`, where);
      assertEquals(lines.shift(), `assistant: Answer ${turn + 1}: the function gave noon of {"turn":${turn}}`, where);
    } else if (kindOf(turn) === "cut") {
      // Cut where it was heard; whole as far as it was said, where the isolate was killed between the answer and the cut.
      assertMatch(lines.shift()!, /^assistant: 1 2( 3 )?$/, where);
    } else assertEquals(lines.shift(), `assistant: Answer ${turn + 1}: I heard "${question}".`, where);
  }
  assertEquals(lines, [], told);
}

import { assertEquals, assertRejects } from "@std/assert";
import { denoPath, HOSTED_DENO } from "./deno_versions.ts";

for (const version of [Deno.version.deno, HOSTED_DENO]) {
  Deno.test(`denoPath() gives Deno ${version}`, async () => {
    const { stdout } = await new Deno.Command(await denoPath(version), { args: ["--version"] }).output();
    assertEquals(new TextDecoder().decode(stdout).split(/\s/)[1], version);
  });
}

Deno.test("denoPath() rejects a version that does not exist", async () => {
  await assertRejects(() => denoPath("0.0.0-none"), Error, "Cannot get deno@0.0.0-none from npm");
});

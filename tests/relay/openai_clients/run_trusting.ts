import type { Certificate } from "../../support/self_signed_certificate.ts";

/**
 * Runs a script in a process that trusts a certificate, as only the start of a process can say so, and gives what it printed. Rejects
 * with what it complained of where it fails.
 */
export async function runTrusting({ cert }: Certificate, script: URL, args: readonly string[]): Promise<string> {
  const certPath = await Deno.makeTempFile({ suffix: ".pem" });
  try {
    await Deno.writeTextFile(certPath, cert);
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", `--cert=${certPath}`, script.href, ...args],
      stdin: "null",
    }).output();
    const [printed, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (!success) throw new Error(`${script} ended early: ${complained}`);
    return printed!;
  } finally {
    await Deno.remove(certPath);
  }
}

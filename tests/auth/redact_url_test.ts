import { assert, assertEquals } from "@std/assert";
import { redactUrl } from "../../shared/auth/redact_url.ts";

const JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";

const table: [url: string | URL, redacted: string][] = [
  ["/echo", "/echo"],
  ["/chat?room=a&since=5", "/chat?room=a&since=5"],
  [`/echo?jwt=${JWT}`, "/echo?jwt=***"],
  [`/echo?room=a&token=abc&since=5#x`, "/echo?room=a&token=***&since=5#x"],
  [
    new URL(`wss://ref.supabase.co/functions/v1/echo?apikey=sb_x&jwt=${JWT}`),
    "wss://ref.supabase.co/functions/v1/echo?apikey=***&jwt=***",
  ],
  ["/echo?JWT=abc&Access_Token=abc&x-api-key=abc", "/echo?JWT=***&Access_Token=***&x-api-key=***"],
  ["/echo?%6Awt=abc&%zz=1", "/echo?%6Awt=***&%zz=1"],
  ["/echo?jwt=a=b=c&room=a", "/echo?jwt=***&room=a"],
  ["/echo?jwt=", "/echo?jwt=***"],
  ["/callback#access_token=abc&expires_in=5", "/callback#access_token=***&expires_in=5"],
  ["redis://user:pass@localhost:6379/0", "redis://***@localhost:6379/0"],
  [`/echo/${JWT}`, "/echo/***"],
  [`/go?to=https%3A%2F%2Fx%2F%3Fq%3D${JWT}`, "/go?to=https%3A%2F%2Fx%2F%3Fq%3D***"],
  [
    `error sending request for url (http://127.0.0.1:1/echo?jwt=${JWT}): refused`,
    "error sending request for url (http://127.0.0.1:1/echo?jwt=***",
  ],
  ["", ""],
  ["?", "?"],
];

for (const [url, redacted] of table) {
  Deno.test(`redactUrl() makes ${JSON.stringify(redacted)}`, () => {
    const result = redactUrl(url);
    assertEquals(result, redacted);
    assert(!result.includes(JWT));
  });
}

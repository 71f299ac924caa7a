import { assertEquals, assertThrows } from "@std/assert";
import { checkOrigin } from "../../shared/auth/check_origin.ts";
import { parseAllowedOrigins } from "../../shared/auth/parse_allowed_origins.ts";

const sameOriginTable: [name: string, headers: Record<string, string>, allowed: boolean][] = [
  ["no Origin", {}, true],
  ["the URL's host", { origin: "http://127.0.0.1:54321" }, true],
  ["another port", { origin: "http://127.0.0.1:3000" }, false],
  ["another host", { origin: "https://evil.example.com" }, false],
  ["null", { origin: "null" }, false],
  ["empty", { origin: "" }, false],
  ["a file", { origin: "file://", host: "localhost" }, false],
  ["garbage", { origin: "127.0.0.1:54321" }, false],
  ["the Host header", { origin: "https://app.example.com", host: "app.example.com" }, true],
  ["the Host header with the default port", { origin: "https://app.example.com", host: "app.example.com:443" }, true],
  ["the Host header in another case", { origin: "https://app.example.com", host: "App.Example.COM" }, true],
  ["a host that begins alike", { origin: "https://app.example.com.evil.org", host: "app.example.com" }, false],
  ["a host that ends alike", { origin: "https://evilapp.example.com", host: "app.example.com" }, false],
  ["the forwarded host", { origin: "https://ref.supabase.co", "x-forwarded-host": "ref.supabase.co" }, true],
  [
    "the first forwarded host",
    { origin: "https://a.example.com", "x-forwarded-host": "a.example.com, inner:9000" },
    true,
  ],
  ["a later forwarded host", { origin: "https://inner", "x-forwarded-host": "a.example.com, inner" }, false],
  [
    "the forwarded host and port",
    { origin: "http://localhost:54321", "x-forwarded-host": "localhost", "x-forwarded-port": "54321" },
    true,
  ],
  ["a Host header that is no host", { origin: "https://a.example.com", host: "a b/" }, false],
];

for (const [name, headers, allowed] of sameOriginTable) {
  Deno.test(`checkOrigin() without a list: ${name} → ${allowed}`, () => {
    assertEquals(checkOrigin(new Request("http://127.0.0.1:54321/echo", { headers }), []), allowed);
  });
}

const listTable: [setting: string, origin: string | undefined, allowed: boolean][] = [
  ["https://app.example.com", "https://app.example.com", true],
  ["https://app.example.com", undefined, true],
  ["https://app.example.com", "http://app.example.com", false],
  ["https://app.example.com", "https://app.example.com:8443", false],
  ["https://app.example.com", "https://app.example.com.evil.org", false],
  ["https://app.example.com", "null", false],
  ["https://app.example.com", "http://localhost", false],
  ["https://App.Example.com:443", "https://app.example.com", true],
  ["http://localhost:3000 https://b.example.com", "https://b.example.com", true],
  ["https://*.example.com", "https://a.example.com", true],
  ["https://*.example.com", "https://a.b.example.com", true],
  ["https://*.example.com", "https://example.com", false],
  ["https://*.example.com", "https://.example.com", false],
  ["https://*.example.com", "https://evilexample.com", false],
  ["https://*.example.com", "https://a.example.com.evil.org", false],
  ["https://*.example.com", "https://evil.org/.example.com", false],
  ["https://*.example.com", "https://evil.org:80@a.example.com", false],
  ["https://*.example.com", "http://a.example.com", false],
  ["https://*.example.com", "https://a.example.com:8443", false],
  ["https://*.example.com:8443", "https://a.example.com:8443", true],
  ["https://*.example.com", "null", false],
  ["http://*.localhost:3000", "http://app.localhost:3000", true],
  ["capacitor://localhost", "capacitor://localhost", true],
  ["http://[::1]:3000", "http://[::1]:3000", true],
  ["*", "https://anywhere.example.org", true],
  ["*", "null", true],
];

for (const [setting, origin, allowed] of listTable) {
  Deno.test(`checkOrigin() with "${setting}": ${origin} → ${allowed}`, () => {
    const request = new Request("http://localhost/echo", { headers: origin === undefined ? {} : { origin } });
    assertEquals(checkOrigin(request, parseAllowedOrigins(setting)), allowed);
  });
}

Deno.test("parseAllowedOrigins() gives an empty list for nothing", () => {
  for (const raw of [undefined, "", " , "]) assertEquals(parseAllowedOrigins(raw), []);
});

const badSettings = [
  "app.example.com",
  "https://",
  "https://app.example.com/",
  "https://app.example.com/path",
  "https://user@app.example.com",
  "https://app.example.com:port",
  "https://app.example.com:99999",
  "https://*.com",
  "https://*",
  "https://app.*.com",
  "https://*app.example.com",
  "null",
  "**",
  "https://ok.example.com, nonsense",
];

for (const raw of badSettings) {
  Deno.test(`parseAllowedOrigins() throws by name for ${raw}`, () => {
    assertThrows(() => parseAllowedOrigins(raw), RangeError, "Cannot start as ALLOWED_ORIGINS must");
  });
}

import { assertEquals } from "@std/assert";
import { findToken, type FoundToken } from "../../shared/auth/find_token.ts";

const table: [name: string, url: string, headers: Record<string, string>, found: FoundToken | undefined][] = [
  ["nothing", "/echo", {}, undefined],
  ["header", "/echo", { authorization: "Bearer a.b.c" }, { token: "a.b.c", source: "authorization" }],
  ["header in another case", "/echo", { authorization: "bearer  a.b.c" }, { token: "a.b.c", source: "authorization" }],
  ["header of another scheme", "/echo", { authorization: "Basic YTpi" }, undefined],
  ["header without a token", "/echo", { authorization: "Bearer" }, undefined],
  ["header with two words", "/echo", { authorization: "Bearer a b" }, undefined],
  ["subprotocol", "/echo", { "sec-websocket-protocol": "jwt-a.b.c" }, { token: "a.b.c", source: "subprotocol" }],
  ["second subprotocol", "/echo", { "sec-websocket-protocol": "chat, jwt-a.b.c" }, {
    token: "a.b.c",
    source: "subprotocol",
  }],
  ["subprotocols without blanks", "/echo", { "sec-websocket-protocol": "chat,jwt-a.b.c,x" }, {
    token: "a.b.c",
    source: "subprotocol",
  }],
  ["subprotocol without a token", "/echo", { "sec-websocket-protocol": "jwt-, chat" }, undefined],
  ["subprotocol that only ends so", "/echo", { "sec-websocket-protocol": "my-jwt-a.b.c" }, undefined],
  ["jwt", "/echo?room=x&jwt=a.b.c", {}, { token: "a.b.c", source: "jwt" }],
  ["token", "/echo?token=a.b.c", {}, { token: "a.b.c", source: "token" }],
  ["empty jwt, then token", "/echo?jwt=&token=a.b.c", {}, { token: "a.b.c", source: "token" }],
  ["token before jwt in the URL", "/echo?token=t&jwt=j", {}, { token: "j", source: "jwt" }],
  ["jwt twice", "/echo?jwt=1&jwt=2", {}, { token: "1", source: "jwt" }],
  ["jwt encoded", "/echo?%6Awt=a%2Eb.c", {}, { token: "a.b.c", source: "jwt" }],
  ["a path that looks like it", "/jwt=a.b.c", {}, undefined],
  [
    "subprotocol before query",
    "/echo?jwt=j&token=t",
    { "sec-websocket-protocol": "jwt-p" },
    { token: "p", source: "subprotocol" },
  ],
  [
    "header before all",
    "/echo?jwt=j&token=t",
    { authorization: "Bearer h", "sec-websocket-protocol": "jwt-p" },
    { token: "h", source: "authorization" },
  ],
];

for (const [name, path, headers, found] of table) {
  Deno.test(`findToken(): ${name}`, () => {
    assertEquals(findToken(new Request(`http://localhost${path}`, { headers })), found);
  });
}

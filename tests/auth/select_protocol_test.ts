import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { selectProtocol } from "../../shared/auth/select_protocol.ts";

const table: [offered: string | null, selected: string | undefined][] = [
  [null, undefined],
  ["", undefined],
  ["chat", "chat"],
  ["chat, superchat", "chat"],
  ["jwt-a.b.c", "jwt-a.b.c"],
  ["jwt-aB.c_D.e-F, chat", "chat"],
  ["realtime, openai-insecure-api-key.sk-x, openai-organization.o, openai-project.p", "realtime"],
  ["openai-insecure-api-key.sk-x, realtime", "realtime"],
  ["openai-insecure-api-key.sk-x, jwt-a.b.c", "openai-insecure-api-key.sk-x"],
  ["JWT-a.b.c, chat", "chat"],
  ["a,b", undefined],
  ["a,b, chat", "chat"],
  ["a b", undefined],
  ["é", undefined],
];

for (const [offered, selected] of table) {
  Deno.test(`selectProtocol(${JSON.stringify(offered)}) is ${selected}`, () => {
    assertEquals(selectProtocol(offered), selected);
  });
}

Deno.test("selectProtocol() never makes Deno.upgradeWebSocket throw", () => {
  const name = fc.constantFrom("chat", "jwt-a.b.c", "openai-project.p", "a b", "", ",", "X", "é", "\t");
  const separator = fc.constantFrom(", ", ",", " , ", ",  ");
  fc.assert(fc.property(fc.array(fc.tuple(name, separator), { maxLength: 5 }), (parts) => {
    const headers = new Headers({
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-version": "13",
      "sec-websocket-protocol": parts.flat().slice(0, -1).join(""),
    });
    const protocol = selectProtocol(headers.get("sec-websocket-protocol"));
    const { response } = Deno.upgradeWebSocket(new Request("http://localhost/", { headers }), { protocol });
    assertEquals(response.headers.get("sec-websocket-protocol"), protocol ?? null);
  }));
});

for (const offered of [["chat", "jwt-a.b.c"], ["jwt-a.b.c"], ["jwt-a.b.c", "chat"]]) {
  Deno.test(`selectProtocol() answers a real client that offers ${offered.join(" and ")}`, async () => {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const protocol = selectProtocol(request.headers.get("sec-websocket-protocol"));
      const { socket, response } = Deno.upgradeWebSocket(request, { protocol });
      socket.onopen = () => socket.close(1000, "done");
      return response;
    });
    const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}`, offered);
    const closed = Promise.withResolvers<CloseEvent>();
    let protocol: string | undefined;
    socket.onopen = () => protocol = socket.protocol;
    socket.onclose = closed.resolve;
    assertEquals((await closed.promise).code, 1000);
    assert(protocol === (offered.includes("chat") ? "chat" : offered[0]));
    await server.shutdown();
  });
}

/** The room of partyserver's guide: each room is a Durable Object, and what one connection sends goes to every other one. */
import { routePartykitRequest, Server } from "partyserver";

export class Room extends Server {
  onMessage(connection, message) {
    this.broadcast(message, [connection.id]);
  }
}

export default {
  fetch: async (request, env) => await routePartykitRequest(request, env) ?? new Response("Not found", { status: 404 }),
};

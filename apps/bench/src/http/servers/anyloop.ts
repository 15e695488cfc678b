/** `@anyloop/http`, on either backend. */
import { Application, serve, ServerResponse, type Serving } from "@anyloop/http/server";
import { type Backend, run, taskGroup } from "anyloop";
import { cpuTime, listensOn, userOf } from "../contract.ts";

const app = new Application()
  .get("/users/:id", function* ({ params }) {
    return ServerResponse.json(userOf(params.id));
  })
  .post("/json", function* (request) {
    return ServerResponse.json(yield* request.json());
  })
  .get("/cpu", () => ServerResponse.json(cpuTime()));

export function serveOn(backend: Backend): Promise<void> {
  return run(
    taskGroup(function* (group) {
      const { address } = yield* group.start<Serving>((status) => serve(app, { host: "127.0.0.1" }, status));
      listensOn(address?.port ?? 0);
    }),
    { backend },
  );
}

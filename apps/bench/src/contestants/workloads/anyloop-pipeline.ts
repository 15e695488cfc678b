import { type Coroutine, type Operation, operation } from "anyloop";
import { ids } from "../../workloads.ts";
import { Directory, Metrics, orAnonymous } from "./anyloop-services.ts";
import { anonymous, keyOf, lookups, type User } from "./domain.ts";

class Application {
  readonly directory = new Directory();
  readonly metrics = new Metrics();
  readonly cache = new Map<number, User>();
  hits = 0;
}

const nameOf: (application: Application, id: number) => Operation<string> = operation(function* nameOf(
  application: Application,
  id: number,
): Coroutine<string> {
  const { directory, metrics, cache } = application;
  const cached = cache.get(id);
  if (cached !== undefined) {
    application.hits++;
    return cached.name;
  }
  const user = yield* orAnonymous(directory.find(id));
  metrics.increment(lookups);
  cache.set(id, user);
  return user.name;
});

export const pipeline: () => Operation<number> = operation(function* pipeline(): Coroutine<number> {
  const application = new Application();
  const names: string[] = [];
  for (const request of ids) names.push(yield* nameOf(application, keyOf(request)));
  const unnamed = names.filter((name) => name === anonymous.name).length;
  return application.hits + application.metrics.count(lookups) + unnamed;
});

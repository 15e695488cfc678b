import {
  type Coroutine,
  failAfter,
  forEach,
  map,
  memoryStream,
  type Operation,
  operation,
  type ReceiveStream,
  type TaskGroup,
  taskGroup,
  use,
} from "anyloop";
import { ids, queueCapacity, service } from "../../workloads.ts";
import { retry } from "./anyloop-retry.ts";
import { Directory, Metrics, orAnonymous } from "./anyloop-services.ts";
import { anonymous, keyOf, lookups, misses, type User } from "./domain.ts";

/** Stands for a server's socket. */
class Listener {
  isOpen = true;

  close(): void {
    this.isOpen = false;
  }
}

class Application {
  readonly directory = new Directory();
  readonly metrics = new Metrics();
  readonly cache = new Map<number, User>();
  served = 0;
  unnamed = 0;
}

const ask: (application: Application, id: number) => Operation<User> = operation(function* ask(
  { directory, metrics }: Application,
  id: number,
): Coroutine<User> {
  const user = yield* orAnonymous(failAfter(service.timeout, retry(service.retries, directory.find(id))));
  metrics.increment(user === anonymous ? misses : lookups);
  return user;
});

const serve: (application: Application, id: number) => Operation<string> = operation(function* serve(
  application: Application,
  id: number,
): Coroutine<string> {
  const { cache } = application;
  const user = cache.get(id) ?? (yield* ask(application, id));
  cache.set(id, user);
  application.served++;
  if (user === anonymous) application.unnamed++;
  return user.name;
});

const work: (application: Application, waiting: ReceiveStream<number>) => Operation<void> = operation(
  function* work(application: Application, waiting: ReceiveStream<number>) {
    yield* forEach(waiting, function* (request) {
      yield* serve(application, keyOf(request));
    });
  },
);

function* host(group: TaskGroup): Coroutine<Application> {
  const application = new Application();
  const [send, receive] = memoryStream<number>(queueCapacity);
  for (let worker = 0; worker < service.workers; worker++) group.startSoon(work(application, receive));
  yield* map(
    ids,
    function* put(request) {
      yield* send.send(request);
    },
    { limit: service.producers },
  );
  yield* send.close();
  return application;
}

export const all: () => Operation<number> = operation(function* all(): Coroutine<number> {
  const { served, unnamed, metrics, directory } = yield* use(new Listener(), () => taskGroup(host));
  const callsInVain = directory.calls - metrics.count(lookups);
  return served + unnamed + callsInVain / metrics.count(misses);
});

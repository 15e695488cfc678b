/** The page: prices, what is under way, and the tasks of the run that shows them. */
import { type ComponentChild, render } from "preact";
import type { QuestionView, SourceView, TaskView } from "../src/view.ts";
import { useLiveBoard, useNow } from "./live-board.ts";

const seconds = (milliseconds: number): string => `${Math.max(0, milliseconds / 1_000).toFixed(1)} s`;

function direction({ price, previous }: SourceView): string {
  if (price === undefined || previous === undefined || price === previous) return "";
  return price > previous ? "▲" : "▼";
}

function Source({ source, now }: { source: SourceView; now: number }): ComponentChild {
  const { name, price, at, problem, health, asked, failed } = source;
  return (
    <tr data-source={name} data-health={health}>
      <th scope="row">{name}</th>
      <td class="price">
        {price === undefined ? "–" : price.toFixed(2)} <span class="direction">{direction(source)}</span>
      </td>
      <td class="health">{health}</td>
      <td class="age">{at === undefined ? "" : seconds(now - at)}</td>
      <td class="count">{`${asked - failed} of ${asked}`}</td>
      <td class="problem">{problem}</td>
    </tr>
  );
}

function Question({ question, now }: { question: QuestionView; now: number }): ComponentChild {
  return (
    <li>
      {question.source} <span class="age">{seconds(now - question.since)}</span>
    </li>
  );
}

function Task({ task }: { task: TaskView }): ComponentChild {
  return (
    <li>
      <b>{task.name}</b> <span class="waits">{task.waitingFor.join(" and ") || "runs"}</span>
      {task.children.length > 0 && (
        <ul>
          {task.children.map((child) => (
            <Task key={child.id} task={child} />
          ))}
        </ul>
      )}
    </li>
  );
}

function Dashboard(): ComponentChild {
  const { board, isConnected } = useLiveBoard("events");
  const now = useNow(200);
  return (
    <main>
      <header>
        <h1>Prices</h1>
        <p id="connection" data-connected={isConnected} role="status">
          {isConnected ? "live" : "connecting again …"}
        </p>
      </header>
      <table>
        <thead>
          <tr>
            {["source", "price", "health", "age", "answered", "problem"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {board?.sources.map((source) => (
            <Source key={source.name} source={source} now={now} />
          ))}
        </tbody>
      </table>
      <section>
        <h2>In flight</h2>
        <ul id="in-flight">
          {board?.inFlight.map((question) => (
            <Question key={question.source} question={question} now={now} />
          ))}
        </ul>
      </section>
      <section>
        <h2>Tasks</h2>
        <ul id="tasks">{board !== undefined && <Task task={board.tasks} />}</ul>
      </section>
    </main>
  );
}

render(<Dashboard />, document.getElementById("dashboard") as HTMLElement);

/** The results as text. */
import type { Comparison, Idleness } from "./compare.ts";
import type { LoadReport } from "./load.ts";

/** Columns, the first to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}

const times = (ratio: number): string => `${ratio.toFixed(2)}×`;

export function loadText({ requests, requestsPerSecond, latency }: LoadReport): string {
  const { p50, p90, p99, max } = latency;
  return (
    `${requests} messages, ${requestsPerSecond} a second\n` +
    `latency, ms: p50 ${p50}  p90 ${p90}  p99 ${p99}  max ${max}`
  );
}

export function comparisonText(comparisons: readonly Comparison[], held: readonly Idleness[]): string {
  const parts = comparisons.map(({ scenario, standings }) => {
    const rows = standings.map((standing) => [
      standing.server,
      standing.cpuPerRequest.toFixed(2),
      times(standing.toCallbacks),
      times(standing.toForAwait),
      Math.round(standing.requestsPerSecond).toString(),
    ]);
    const head = ["server", "CPU µs", "to callbacks", "to for await", "requests/s"];
    return `${scenario.name}\n${table([head, ...rows])}`;
  });
  const idle = held.map(
    ({ server, connections, kilobytesPerConnection, answered }) =>
      `${connections} idle connections, ${server}: ${kilobytesPerConnection.toFixed(1)} kB each; ` +
      `${answered} asked are still there`,
  );
  return [...parts, idle.join("\n")].join("\n\n");
}

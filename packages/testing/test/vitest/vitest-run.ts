/** Runs vitest on a folder, in a process of its own, and reads what it reports. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const vitest = path.join(import.meta.dirname, "../../../../node_modules/vitest/vitest.mjs");

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** The report, and all that vitest printed. The folder has a vitest.config.ts. */
export async function runVitest(folder: string): Promise<Report & { readonly output: string }> {
  const reports = mkdtempSync(path.join(tmpdir(), "anyloop-"));
  const file = path.join(reports, "report.json");
  const child = spawn(
    process.execPath,
    [vitest, "run", "--root", folder, "--reporter=json", "--reporter=default", `--outputFile=${file}`],
    { env: { ...process.env, NO_COLOR: "1" } },
  );
  let output = "";
  const gather = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on("data", gather);
  child.stderr.on("data", gather);
  try {
    await new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
    return { ...(JSON.parse(readFileSync(file, "utf8")) as Report), output };
  } finally {
    rmSync(reports, { recursive: true });
  }
}

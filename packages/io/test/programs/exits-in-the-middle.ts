/** Exits while its temporary files are open. */
import { run, use } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { tempDirectory, tempFile } from "@anyloop/io";

await run(
  () =>
    use(tempDirectory(), (directory) =>
      use(tempFile(), function* (file) {
        yield* directory.join("x").write("x");
        console.log(`${directory.path}\n${file.path}`);
        process.exit(7);
      }),
    ),
  { backend: kernel() },
);

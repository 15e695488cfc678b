import { defineConfig } from "vite";

export default defineConfig({
  // The page may be mounted anywhere.
  base: "./",
  build: { outDir: "../dist", emptyOutDir: true },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});

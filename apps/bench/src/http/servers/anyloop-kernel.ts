import { kernel } from "anyloop";
import { serveOn } from "./anyloop.ts";

await serveOn(kernel());

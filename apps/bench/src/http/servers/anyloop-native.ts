import { native } from "anyloop";
import { serveOn } from "./anyloop.ts";

await serveOn(native());

/**
 * The front door: everything of core, both backends, and the kernel as the default one.
 *
 * No logic lives here. Importing it has one effect, setting the default backend, so bundlers must keep it.
 */
import { setDefaultBackend } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";

export * from "@anyloop/core";
export * from "@anyloop/kernel";
export * from "@anyloop/native";

setDefaultBackend(kernel());

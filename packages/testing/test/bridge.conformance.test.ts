/** Small bridges to web streams and promises keep the rules of bridges. */
import { bridgeConformance, registerCases } from "@anyloop/testing";
import { describe, test } from "vitest";
import { promiseWork, webInward, webOutward } from "./web-bridges.ts";

describe("from a web stream", () =>
  registerCases(test, bridgeConformance({ inward: (group) => webInward(group) }, { seeds: 3 })));
describe("to a web stream", () =>
  registerCases(test, bridgeConformance({ outward: webOutward }, { seeds: 3 })));
describe("fromPromise", () => registerCases(test, bridgeConformance({ work: promiseWork }, { seeds: 3 })));

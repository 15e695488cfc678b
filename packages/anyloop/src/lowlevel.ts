/** The sharp tools of core, under the front door's name. */
export * from "@anyloop/core/lowlevel";

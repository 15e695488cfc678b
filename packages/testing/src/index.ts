/** Tools for testing code built on anyloop. */
export {};

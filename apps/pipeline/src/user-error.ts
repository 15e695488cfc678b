/** A mistake in what the user asked for. Its message is one line that says what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}

export const userErrorExitCode = 2;

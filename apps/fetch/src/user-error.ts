/** A mistake in what the user asked for. Its message is one line that says what to do; nothing was fetched. */
export class UserError extends Error {
  override readonly name = "UserError";
}

export const userErrorExitCode = 2;

/** The path of the service's program. Throws when there is none for this platform. */
export function binary(): string;

/** Runs the program with these arguments, passes signals on to it, and resolves to its exit code. */
export function run(args: readonly string[]): Promise<number>;

/** Where diagnostics go: nowhere unless the app asks. No room of ours writes to the console by itself. */
export type LogLevel = "debug" | "info" | "warn" | "error";

export type LogFunction = (level: LogLevel, room: string, message: string, detail?: unknown) => void;

export const silent: LogFunction = () => undefined;

/** Which machine runs the sessions of a draft. */
import type { Capabilities } from "../wire/codec.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { SessionMachine } from "./types.ts";

export type MachineClass = new (options: SessionOptions) => SessionMachine;

let shared: MachineClass | undefined;

/** The one for shared control streams is loaded when such a draft is spoken. */
export async function loadMachine({ requestStreams }: Capabilities): Promise<MachineClass> {
  if (requestStreams) return Session;
  shared ??= (await import("./shared-control.ts")).SharedControlSession;
  return shared;
}

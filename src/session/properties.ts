/** Mandatory Track Properties (draft-18 §2.5.1): a track that carries one we do not know must not be processed. We know none. */
import type { KeyValue } from "../wire/messages.ts";

const FIRST_MANDATORY = 0x4000;
const LAST_MANDATORY = 0x7fff;

export function hasMandatoryProperty(properties: readonly KeyValue[]): boolean {
  return properties.some(({ type }) => type >= FIRST_MANDATORY && type <= LAST_MANDATORY);
}

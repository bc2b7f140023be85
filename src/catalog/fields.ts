/** Reading fields of a JSON object whose author is not trusted: the right type, or an error that names the place. */
import { type JsonObject, type JsonValue, malformed } from "./types.ts";

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As Array.isArray, which does not narrow to a readonly array. */
export function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A MOQT Location as MSF writes it: group id and object id. */
export function isLocation(value: JsonValue | undefined): value is readonly [number, number] {
  return (
    isArray(value) &&
    value.length === 2 &&
    value.every((part) => Number.isSafeInteger(part) && Number(part) >= 0)
  );
}

/** A short rendering of a hostile value for an error message. */
function shown(value: JsonValue | undefined): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** Reads the optional fields of one object. `where` says which one in error messages, e.g. `track "video"`. */
export class FieldReader {
  readonly #fields: JsonObject;
  readonly #where: string;

  constructor(fields: JsonObject, where: string) {
    this.#fields = fields;
    this.#where = where;
  }

  /** JSON.parse makes even `__proto__` an own field, so what objects inherit is out of a document's reach. */
  raw(name: string): JsonValue | undefined {
    return this.#fields[name];
  }

  wrong(name: string, wanted: string): Error {
    return malformed(`"${name}" of ${this.#where} is ${shown(this.raw(name))}, not ${wanted}`);
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.wrong(name, "a string");
  }

  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === "") throw this.wrong(name, "a string with content");
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.wrong(name, "true or false");
  }

  /** Zero or more; JSON has no infinities, but 1e999 becomes one. */
  amount(name: string): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
    throw this.wrong(name, "a number of at least 0");
  }

  /** Zero or more, whole. */
  count(name: string): number | undefined {
    const value = this.amount(name);
    if (value === undefined || Number.isSafeInteger(value)) return value;
    throw this.wrong(name, "a whole number");
  }

  texts(name: string): readonly string[] {
    const value = this.raw(name);
    if (value === undefined) return [];
    if (isArray(value) && value.every((item): item is string => typeof item === "string")) return value;
    throw this.wrong(name, "an array of strings");
  }

  object(name: string): JsonObject | undefined {
    const value = this.raw(name);
    if (value === undefined || isObject(value)) return value;
    throw this.wrong(name, "an object");
  }

  objects(name: string): readonly JsonObject[] | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (isArray(value) && value.every(isObject)) return value;
    throw this.wrong(name, "an array of objects");
  }
}

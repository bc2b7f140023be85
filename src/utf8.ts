/** UTF-8, for rooms that compile without DOM types: TextEncoder and TextDecoder exist in every host we run in, but in no ECMAScript lib. */
interface Utf8Host {
  readonly TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
  readonly TextDecoder: new (
    label: "utf-8",
    options: { fatal: boolean },
  ) => { decode(bytes: Uint8Array): string };
}

const host = globalThis as unknown as Utf8Host;
const encoder = new host.TextEncoder();
const lenient = new host.TextDecoder("utf-8", { fatal: false });
const strict = new host.TextDecoder("utf-8", { fatal: true });

export function utf8Encode(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Never throws: bytes that are not UTF-8 become U+FFFD. For what is shown to people. */
export function utf8DecodeLossy(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

/** The text, or undefined when the bytes are not valid UTF-8. */
export function utf8Decode(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

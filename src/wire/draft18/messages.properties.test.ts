import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../errors.ts";
import { concat, cut, decodeMessage } from "./fixtures.ts";
import { draft18 } from "./index.ts";
import { controlStreamMessage, requestStreamMessage } from "./messages.fixture.ts";

/** One seed for all of a run, printed so that a failure can be run again: SEED=... */
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
/** Thousands of runs on a loaded machine: nothing is measured, so there is no reason to hurry. */
const TIMEOUT_MS = 120_000;
const runs = { seed, numRuns: 300 };
const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 });

describe(`draft-18 messages, properties (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  it("decodes every control stream message to what was encoded", () => {
    fc.assert(
      fc.property(controlStreamMessage, (message) => {
        expect(decodeMessage(draft18.encodeMessage(message), "control")).toEqual(message);
      }),
      runs,
    );
  });

  it("decodes every request stream message to what was encoded", () => {
    fc.assert(
      fc.property(requestStreamMessage, (message) => {
        expect(decodeMessage(draft18.encodeMessage(message))).toEqual(message);
      }),
      { ...runs, numRuns: 1000 },
    );
  });

  it("decodes control streams alike in any chunking", () => {
    fc.assert(
      fc.property(
        fc.array(
          requestStreamMessage.filter((m) => m.type !== "goaway"),
          { minLength: 1, maxLength: 4 },
        ),
        sizes,
        (messages, chunks) => {
          const decoder = draft18.controlDecoder("request");
          const seen = [];
          for (const chunk of cut(
            concat(messages.map((message) => draft18.encodeMessage(message))),
            chunks,
          )) {
            decoder.push(chunk);
            for (let next = decoder.next(); next !== undefined; next = decoder.next()) seen.push(next);
          }
          expect(seen).toEqual(messages);
          expect(decoder.idle).toBe(true);
        },
      ),
      runs,
    );
  });
});

/** What a run came to: what was told before it ended, and how it ended. Anything but a CountersignError fails the test. */
function outcome(run: () => void): string {
  try {
    run();
    return "ok";
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    return `${error.code} ${error.protocolCode} ${error.section}`;
  }
}

/** Bytes that get somewhere: real messages, some of them damaged, with noise between. */
const damaged = fc
  .tuple(
    fc.array(
      fc.oneof(
        requestStreamMessage.map((message) => draft18.encodeMessage(message)),
        controlStreamMessage.map((message) => draft18.encodeMessage(message)),
        fc.uint8Array({ maxLength: 20 }),
      ),
      { minLength: 1, maxLength: 5 },
    ),
    fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
  )
  .map(([parts, flips]) => {
    const bytes = concat(parts);
    for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
    return bytes;
  });
const anyBytes = fc.oneof(damaged, fc.uint8Array({ maxLength: 60 }));

describe(`draft-18 control streams of any bytes (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  const many = { seed, numRuns: 3000 };

  it("give messages or a CountersignError, the same in any chunking", () => {
    fc.assert(
      fc.property(
        anyBytes,
        fc.constantFrom("control" as const, "request" as const),
        sizes,
        (bytes, stream, chunks) => {
          const run = (pieces: readonly Uint8Array[]) => {
            const seen: unknown[] = [];
            const decoder = draft18.controlDecoder(stream);
            const end = outcome(() => {
              for (const piece of pieces) {
                decoder.push(piece);
                for (let next = decoder.next(); next !== undefined; next = decoder.next()) seen.push(next);
              }
            });
            return { seen, end };
          };
          expect(run(cut(bytes, chunks))).toEqual(run([bytes]));
        },
      ),
      many,
    );
  });
});

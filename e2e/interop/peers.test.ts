import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { folderOf, installCommand } from "./install.ts";
import { parseInteropOptions } from "./options.ts";
import { isKnownLimit, PEERS, type PeerDefinition, peerNamed } from "./peers.ts";

const relay = peerNamed("moq-relay");

describe("the pinned versions", () => {
  test("are exact: no range, no latest", () => {
    for (const { version } of PEERS) expect(version).toMatch(/^(\d+\.\d+\.\d+|[0-9a-f]{7,40})$/);
  });

  test("are what cargo is told to install, below the folder that is given, with the features that are named and no others", () => {
    const { program, args } = installCommand(relay, "some/folder");
    expect(program).toBe("cargo");
    const line = args.join(" ");
    expect(line).toContain(`install moq-relay --version =${relay.version} `);
    expect(line).toContain("--no-default-features --features noq");
    expect(line).toMatch(/--root some\/folder$/);
  });

  test("include all that it depends on where the crate's own lock can be used", () => {
    expect(installCommand(peerNamed("moq-relay-ietf"), "some/folder").args).toContain("--locked");
    expect(installCommand(relay, "some/folder").args).not.toContain("--locked");
  });

  test("are what Go is told to install, into the folder that is given and nowhere else", () => {
    const peer = peerNamed("moq-go");
    const { program, args, env } = installCommand(peer, "some/folder");
    expect([program, ...args].join(" ")).toBe(
      `go install github.com/floatdrop/moq-go/cmd/relay@${peer.version}`,
    );
    expect(env).toEqual({ GOBIN: join("some/folder", "bin") });
  });

  test("each have a folder of their own in the cache, so that a raised version is installed", () => {
    const newer: PeerDefinition = { ...relay, version: "9.9.9" };
    expect(folderOf(relay, "cache")).not.toBe(folderOf(newer, "cache"));
    expect(folderOf({ name: "x", version: "../../y" }, "cache")).not.toContain("/y");
  });
});

describe("every peer", () => {
  test("listens on loopback only, with the certificate it is given", () => {
    for (const peer of PEERS) {
      const args = peer.args({ port: 4567, folder: "f", certificateFile: "c.pem", keyFile: "k.pem" });
      expect(args.join(" ")).toContain("127.0.0.1:4567");
      expect(args).toContain("c.pem");
      expect(args).toContain("k.pem");
      expect(args.join(" ")).not.toContain("0.0.0.0");
    }
  });

  test("speaks one draft alone when it is restricted to it, where it can be", () => {
    const start = { port: 1, folder: "f", certificateFile: "c", keyFile: "k" };
    expect(relay.args({ ...start, onlyDraft: 18 }).join(" ")).toContain("--listen-version moq-transport-18");
    expect(relay.args(start).join(" ")).not.toContain("version");
  });

  test("has a name that no other has", () => {
    expect(new Set(PEERS.map(({ name }) => name)).size).toBe(PEERS.length);
  });
});

describe("a known limit", () => {
  const peer: PeerDefinition = {
    ...relay,
    limits: { fetch: [{ words: /not supported/ }], update: [{ words: /never/, drafts: ["moqt-14"] }] },
  };

  test("holds for its scenario and in its words only", () => {
    expect(isKnownLimit(peer, "fetch", "moqt-18", "The peer refused: not supported")).toBe(true);
    expect(isKnownLimit(peer, "fetch", "moqt-18", "It hangs.")).toBe(false);
    expect(isKnownLimit(peer, "subscribe", "moqt-18", "not supported")).toBe(false);
  });

  test("holds in its drafts only, where it names some", () => {
    expect(isKnownLimit(peer, "update", "moqt-14", "never")).toBe(true);
    expect(isKnownLimit(peer, "update", "moqt-18", "never")).toBe(false);
  });
});

describe("the command line", () => {
  const both = ["moqt-18", "moqt-14"] as const;

  test("tries every draft that both speak unless it is told which", () => {
    expect(parseInteropOptions(["moq-relay"], both).drafts).toEqual(["moqt-18", "moqt-14"]);
    expect(parseInteropOptions(["moq-relay", "--draft", "moqt-14"], both).drafts).toEqual(["moqt-14"]);
    expect(parseInteropOptions(["moq-go"], both).drafts).toEqual(["moqt-18"]);
  });

  test("refuses a draft that one of them does not speak, and names those that both do", () => {
    expect(() => parseInteropOptions(["moq-go", "--draft", "moqt-14"], both)).toThrow(
      '"moqt-14" is not a draft that both speak: moqt-18.',
    );
  });

  test("names the peers there are when it is asked for none of them", () => {
    expect(() => parseInteropOptions(["some-relay"])).toThrow(/There are: moq-relay, moq-relay-ietf, moq-go/);
    expect(() => parseInteropOptions([])).toThrow("Name one peer.");
    expect(() => parseInteropOptions(["moq-relay", "moq-go"])).toThrow("Name one peer.");
  });

  test("takes scenarios by parts of their names, a program of the user's, and JSON", () => {
    const options = parseInteropOptions(["moq-relay", "--only", "fetch", "--binary", "./relay", "--json"]);
    expect(options).toMatchObject({ only: ["fetch"], binary: "./relay", json: true, verbose: false });
  });
});

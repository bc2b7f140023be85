/** The demo page: one player, its figures, and switches that make its peers misbehave. */
import { CountersignError, createPlayer, type Player, type PlayerState } from "../src/index.ts";
import { loadConfig, optionsFromAddress } from "./config.ts";
import { byId, setText } from "./dom.ts";
import { ClipPanel } from "./ui/clip-panel.ts";
import { Controls } from "./ui/controls.ts";
import { DvrBar } from "./ui/dvr-bar.ts";
import { offerEvidence } from "./ui/evidence.ts";
import { Facts } from "./ui/facts.ts";
import { EventLog } from "./ui/log.ts";
import { SourceCards } from "./ui/sources.ts";
import { installThemeSwitch } from "./ui/theme.ts";
import { STATE_NAMES, STATE_SENTENCES, seconds } from "./ui/wording.ts";

/** The bar and the figures are drawn this often. */
const DRAW_INTERVAL_MS = 250;

/** Relays that come and go are told apart by the host and port of their address. */
function nameOf(url: string, names: ReadonlyMap<string, string>): string {
  return names.get(url) ?? new URL(url).host;
}

function showState(state: PlayerState, error: CountersignError | undefined): void {
  const badge = byId("state");
  badge.dataset["state"] = state;
  setText(badge, STATE_NAMES[state]);
  badge.title = STATE_SENTENCES[state];
  const quiet = state === "live" || state === "rewound" || state === "closed";
  const notice = byId("notice");
  notice.hidden = quiet || (error === undefined && state === "connecting");
  if (notice.hidden) return;
  setText(byId("notice-title"), error?.message ?? STATE_SENTENCES[state]);
  setText(byId("notice-hint"), error?.hint ?? (error ? STATE_SENTENCES[state] : ""));
  setText(byId("notice-code"), error?.code ?? "");
}

async function main(): Promise<void> {
  installThemeSwitch();
  const params = new URLSearchParams(location.search);
  const log = new EventLog();
  const config = await loadConfig(params);
  const names = new Map(
    config.peers.map((peer) => [
      peer.url,
      peer.kind === "objects" ? `relay ${peer.name}` : `manifest peer ${peer.name}`,
    ]),
  );
  const sources = new SourceCards({
    peers: config.peers,
    faults: config.faults,
    onAction: (peer, action) =>
      log.add(
        action.action === "fault"
          ? `You told relay ${peer}: ${config.faults[action.fault] ?? action.fault}`
          : `You ${action.action === "stop" ? "stopped" : "started"} ${peer}`,
      ),
    onProblem: (text) => log.add(text, "bad"),
  });

  const video = byId<HTMLVideoElement>("video");
  const player = createPlayer(video, {
    ...config.player,
    ...(config.encryption && { encryption: config.encryption }),
    ...optionsFromAddress(params),
    autoplay: true,
  });
  const bar = new DvrBar(player, (text) => log.add(text, "bad"));
  const facts = new Facts();
  const controls = new Controls(player, video, bar);
  listen(player, log, names, bar);
  new ClipPanel(player, bar, (text, tone) => log.add(text, tone));
  offerEvidence(player, (text) => log.add(text, "bad"));

  setInterval(() => {
    const { stats } = player;
    controls.draw();
    const latency = byId("latency");
    latency.hidden = player.latencyMs === undefined || player.state !== "live";
    setText(latency, `${seconds(player.latencyMs, 2)} behind live`);
    if (!stats) return;
    sources.show(stats.sources);
    facts.show(player, stats);
    bar.draw(stats);
  }, DRAW_INTERVAL_MS);

  addEventListener("pagehide", () => void player.destroy());
  // For whoever opens the console, and for the tests.
  Object.assign(globalThis, { player });
}

function listen(player: Player, log: EventLog, names: ReadonlyMap<string, string>, bar: DvrBar): void {
  let shown: PlayerState | undefined;
  player.on("state", ({ state, error }) => {
    showState(state, error);
    if (state !== shown)
      log.add(
        STATE_SENTENCES[state],
        state === "live" ? "good" : state === "blocked" || state === "failed" ? "bad" : "plain",
      );
    shown = state;
  });
  player.on("source", ({ url, state, reason }) => {
    const bad = state === "banned" || state === "suspect" || reason !== undefined;
    log.add(
      `${nameOf(url, names)} is ${state}${reason ? `: ${reason.message}` : ""}`,
      bad ? "bad" : state === "active" ? "good" : "plain",
      `${url} ${state}`,
    );
  });
  player.on("reconnecting", ({ url, reason }) => {
    log.add(`Lost ${nameOf(url, names)}, reconnecting${reason ? `: ${reason.message}` : ""}`, "bad");
  });
  player.on("resumed", ({ url, cause, awayMs, missed }) => {
    const lack = missed.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
    const how = cause === "moved" ? "moved without a gap" : `back after ${seconds(awayMs)}`;
    log.add(
      `${nameOf(url, names)} is ${how}; ${lack > 0 ? `${seconds(lack)} missed, being fetched` : "nothing was missed"}`,
      "good",
    );
  });
  player.on("rejected", ({ url, track, reason }) => {
    log.add(
      `Refused ${track} from ${nameOf(url, names)}: ${reason}`,
      "bad",
      `rejected ${url} ${track} ${reason}`,
    );
  });
  player.on("hole", (hole) => {
    bar.addHole(hole);
    log.add(
      `${seconds(hole.endMs - hole.startMs)} of ${hole.track} missing: ${hole.cause}`,
      "bad",
      `hole ${hole.track} ${hole.cause}`,
    );
  });
  player.on("warning", (warning) => log.add(warning.message, "bad", warning.code));
  player.on("firstframe", ({ afterMs }) => log.add(`First picture after ${seconds(afterMs, 2)}`, "good"));
}

main().catch((thrown: unknown) => {
  const error =
    thrown instanceof CountersignError
      ? thrown
      : new CountersignError("internal", thrown instanceof Error ? thrown.message : String(thrown), {
          hint: "Start the demo with npm start and reload this page.",
        });
  showState("failed", error);
});

/** One card per peer: what it does, what it sent, and the switches that stop, start and corrupt it. */
import type { SourceStats } from "../../src/index.ts";
import { control, type DemoPeer, type PeerAction } from "../config.ts";
import { byId, create, setText } from "../dom.ts";

interface Card {
  readonly root: HTMLElement;
  readonly dot: HTMLElement;
  readonly state: HTMLElement;
  readonly good: HTMLElement;
  readonly duplicate: HTMLElement;
  readonly rejected: HTMLElement;
  readonly rejectedBox: HTMLElement;
  readonly problem: HTMLElement;
  readonly stop: HTMLButtonElement | undefined;
  readonly fault: HTMLSelectElement | undefined;
}

export interface SourceCardsOptions {
  readonly peers: readonly DemoPeer[];
  readonly faults: Readonly<Record<string, string>>;
  readonly onAction: (peer: string, action: PeerAction) => void;
  readonly onProblem: (text: string) => void;
}

function count(label: string): { readonly box: HTMLElement; readonly value: HTMLElement } {
  const value = create("dd", { text: "0" });
  return { box: create("div", {}, create("dt", { text: label }), value), value };
}

export class SourceCards {
  readonly #options: SourceCardsOptions;
  readonly #container = byId("sources");
  readonly #cards = new Map<string, Card>();
  #peers: readonly DemoPeer[];

  constructor(options: SourceCardsOptions) {
    this.#options = options;
    this.#peers = options.peers;
    for (const peer of options.peers) this.#card(peer.url, peer.kind);
    this.#showPeers(options.peers);
  }

  show(sources: readonly SourceStats[]): void {
    for (const source of sources) {
      const card = this.#card(source.url, source.kind);
      card.dot.dataset["state"] = source.state;
      card.root.dataset["state"] = source.state;
      setText(card.state, source.found ? `${source.state} · found` : source.state);
      setText(card.good, source.score.good.toLocaleString());
      setText(card.duplicate, source.score.duplicate.toLocaleString());
      const rejected = source.score.junk + source.score.unsigned;
      setText(card.rejected, rejected.toLocaleString());
      card.rejectedBox.className = rejected > 0 ? "bad" : "";
      const problem =
        source.state === "active" || source.state === "standby" ? "" : (source.error?.message ?? "");
      setText(card.problem, problem);
      card.problem.hidden = problem === "";
    }
  }

  #card(url: string, kind: "objects" | "manifests"): Card {
    const known = this.#cards.get(url);
    if (known) return known;
    const peer = this.#peers.find((candidate) => candidate.url === url);
    const name = peer?.name ?? new URL(url).host;
    const dot = create("span", { class: "dot" });
    dot.setAttribute("aria-hidden", "true");
    const state = create("small", { text: "connecting" });
    const title = create(
      "h3",
      {},
      dot,
      document.createTextNode(kind === "objects" ? `Relay ${name}` : `Manifest peer ${name}`),
      state,
    );
    const good = count(kind === "objects" ? "delivered" : "manifests");
    const duplicate = count("duplicates");
    const rejected = count("rejected");
    const counts = create("dl", { class: "counts" }, good.box, duplicate.box, rejected.box);
    const problem = create("p", { class: "problem" });
    problem.hidden = true;
    const root = create("article", { class: "source" }, title, counts, problem);
    root.dataset["peer"] = name;
    const stop = peer ? this.#stopButton(peer.name) : undefined;
    const fault = peer && kind === "objects" ? this.#faultMenu(peer.name) : undefined;
    if (stop) root.append(create("div", { class: "row" }, stop, ...(fault ? [fault] : [])));
    this.#container.append(root);
    const card: Card = {
      root,
      dot,
      state,
      good: good.value,
      duplicate: duplicate.value,
      rejected: rejected.value,
      rejectedBox: rejected.box,
      problem,
      stop,
      fault,
    };
    this.#cards.set(url, card);
    return card;
  }

  #stopButton(name: string): HTMLButtonElement {
    const button = create("button", { text: "Stop" });
    button.type = "button";
    button.addEventListener("click", () => {
      const running = this.#peers.find((peer) => peer.name === name)?.running ?? false;
      void this.#act(name, { action: running ? "stop" : "start" }, button);
    });
    return button;
  }

  #faultMenu(name: string): HTMLSelectElement {
    const menu = create("select");
    menu.setAttribute("aria-label", `How relay ${name} behaves`);
    for (const [fault, description] of Object.entries(this.#options.faults)) {
      const option = create("option", { text: fault === "none" ? "Honest" : `Lie: ${fault}` });
      option.value = fault;
      option.title = description;
      menu.append(option);
    }
    menu.addEventListener("change", () => void this.#act(name, { action: "fault", fault: menu.value }, menu));
    return menu;
  }

  async #act(
    name: string,
    action: PeerAction,
    switched: HTMLButtonElement | HTMLSelectElement,
  ): Promise<void> {
    switched.disabled = true;
    try {
      this.#showPeers(await control(name, action));
      this.#options.onAction(name, action);
    } catch (error) {
      this.#options.onProblem(error instanceof Error ? error.message : String(error));
    } finally {
      switched.disabled = false;
    }
  }

  #showPeers(peers: readonly DemoPeer[]): void {
    this.#peers = peers;
    for (const peer of peers) {
      const card = this.#cards.get(peer.url);
      if (card?.stop) {
        setText(card.stop, peer.running ? "Stop" : "Start");
        card.stop.setAttribute("aria-label", `${peer.running ? "Stop" : "Start"} ${peer.name}`);
      }
      if (card?.fault) card.fault.value = peer.fault;
    }
  }
}

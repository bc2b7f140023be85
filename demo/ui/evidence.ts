/** "Export evidence": offered once the signer has contradicted itself. */
import type { Player } from "../../src/index.ts";
import { byId } from "../dom.ts";

const FILE_NAME = "equivocation.cbor";

/** `onProblem` is told when there is nothing to export after all. */
export function offerEvidence(player: Player, onProblem: (text: string) => void): void {
  const button = byId<HTMLButtonElement>("evidence");
  player.on("state", ({ error }) => {
    if (error?.code === "manifest-equivocation") button.hidden = false;
  });
  button.addEventListener("click", () => {
    void (async () => {
      const evidence = await player.exportEvidence();
      if (!evidence) {
        onProblem("There is no evidence to export.");
        return;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(evidence);
      link.download = FILE_NAME;
      link.click();
      // The download has begun with the click; the bytes are the browser's by now.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    })();
  });
}

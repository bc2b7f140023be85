/** The worker's root: one client, served to the page that made this worker. */
import { systemClock } from "../src/clock.ts";
import { exposeWorker } from "../src/rpc/expose.ts";
import { browserDial } from "../src/transport/browser-dial.ts";
import { BroadcastClient } from "./broadcast-client.ts";

exposeWorker(
  new BroadcastClient({
    dial: browserDial,
    clock: systemClock,
    onOnline: (listener) => {
      addEventListener("online", listener);
      // Where browsers tell (Chromium): from one network to another, without having been offline in between.
      const { connection } = navigator as { readonly connection?: EventTarget };
      connection?.addEventListener("change", listener);
    },
  }),
);

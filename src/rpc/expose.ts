/** The worker's end of the protocol in protocol.ts. */
import { expose, transfer } from "comlink";
import { carryErrorCodes } from "./error-transfer.ts";
import type { WorkerApi } from "./protocol.ts";

/** Where a worker listens: the global scope of a dedicated worker, or one end of a MessageChannel. */
export type WorkerEndpoint = Parameters<typeof expose>[1] & object;

/**
 * Serves `api` to the page, over the worker's global scope unless another endpoint is given. Media answers are transferred, so what `resource` resolves with
 * must be a buffer that nothing else uses. What a method throws reaches the caller with its code.
 */
export function exposeWorker(api: WorkerApi, endpoint?: WorkerEndpoint): void {
  carryErrorCodes();
  const exposed: WorkerApi = {
    open: (options, events, page) => api.open(options, events, page),
    async resource(request) {
      const response = await api.resource(request);
      return response.kind === "media" ? transfer(response, [response.data]) : response;
    },
    cancel: (id) => api.cancel(id),
    playhead: (report) => api.playhead(report),
    stats: () => api.stats(),
    seek: (request) => api.seek(request),
    leaveExcerpt: () => api.leaveExcerpt(),
    recordingPlan: (range) => api.recordingPlan(range),
    async recordingPart(track, group) {
      const part = await api.recordingPart(track, group);
      return transfer(part, [part.data]);
    },
    keep: (ranges) => api.keep(ranges),
    evidence: () => api.evidence(),
    close: () => api.close(),
  };
  if (endpoint === undefined) expose(exposed);
  else expose(exposed, endpoint);
}
